//! Every URL of the shop, in one table.

use actix_web::{
    FromRequest, Handler, HttpRequest, HttpResponse, Resource, Responder, guard,
    web::{self, ServiceConfig},
};

use super::{api, error::Problem, event_schemas, notices, observe::Observer, openapi, pages};

/// Puts the table in place.
pub fn mount(site: &mut ServiceConfig, observer: &Observer) {
    let mut at = |url: Url| {
        site.service(url.observed(observer));
    };

    // tried in this order: what the crowd asks for comes first
    at(Url::new("/api/v1/sales/{sale}/cart/lines/{sku}")
        .put(api::cart::set_line)
        .delete(api::cart::release));
    at(Url::new("/api/v1/sales/{sale}/stock").get(api::stock::show));
    at(Url::new("/api/v1/openapi.json").get(openapi::document));
    at(Url::new("/api/v1/session").post(api::session::create));
    at(Url::new("/api/v1/sales").get(api::sales::list));
    at(Url::new("/api/v1/sales/{sale}").get(api::sales::show));
    at(Url::new("/api/v1/sales/{sale}/cart").get(api::cart::show));
    at(Url::new("/api/v1/sales/{sale}/checkout").post(api::checkout::buy));
    at(Url::new("/api/v1/orders").get(api::orders::list));
    at(Url::new("/api/v1/orders/{order}").get(api::orders::show));

    at(Url::new("/").get(pages::home::show));
    at(Url::new("/sales/{sale}").get(pages::sale::show));
    at(Url::new("/sales/{sale}/products/{product}")
        .get(pages::product::show)
        .post(pages::product::put_into_cart));
    at(Url::new("/sales/{sale}/cart").get(pages::cart::show).post(pages::cart::set_line));
    at(Url::new("/sales/{sale}/checkout").get(pages::checkout::show).post(pages::checkout::buy));
    at(Url::new("/orders/{order}").get(pages::order::show));
    at(Url::new("/search").get(pages::search::show));
    at(Url::new("/robots.txt").get(pages::robots::rules));
    at(Url::new("/sitemap.xml").get(pages::robots::sitemap));
    at(Url::new("/images/{hash}").get(pages::files::image));
    at(Url::new("/assets/{name}").get(pages::files::asset));
    at(Url::new("/favicon.ico").get(pages::files::icon));

    at(Url::new("/webhooks/stripe").post(notices::stripe));

    at(Url::new("/docs/events").get(event_schemas::list));
    at(Url::new("/docs/events/{file}").get(event_schemas::show));
    at(Url::new("/docs").get(openapi::to_docs));
    at(Url::new("/docs/{file:.*}").get(openapi::docs));
}

/// What answers where the table has nothing.
pub fn nowhere(observer: &Observer) -> actix_web::Route {
    async fn nothing() -> Result<HttpResponse, Problem> {
        Err(Problem::not_found("page"))
    }
    web::to(nothing).wrap(observer.route("none"))
}

/// One URL and its verbs. What is asked of it by another verb is told which there are.
struct Url {
    pattern: &'static str,
    resource: Resource,
    allow: Vec<&'static str>,
}

impl Url {
    fn new(pattern: &'static str) -> Self {
        Self { pattern, resource: web::resource(pattern), allow: Vec::new() }
    }

    /// GET, and HEAD with it: the server leaves out the body.
    fn get<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        let route = web::route().guard(guard::Any(guard::Get()).or(guard::Head())).to(handler);
        self.on(&["GET", "HEAD"], route)
    }

    fn post<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.on(&["POST"], web::post().to(handler))
    }

    fn put<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.on(&["PUT"], web::put().to(handler))
    }

    fn delete<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.on(&["DELETE"], web::delete().to(handler))
    }

    fn on(mut self, verbs: &[&'static str], route: actix_web::Route) -> Self {
        self.allow.extend_from_slice(verbs);
        Self { resource: self.resource.route(route), ..self }
    }

    fn observed(self, observer: &Observer) -> impl actix_web::dev::HttpServiceFactory + 'static {
        let allow = self.allow.join(", ");
        let other = move |_: HttpRequest| {
            let problem = Problem::method_not_allowed(allow.clone());
            async move { Err::<HttpResponse, _>(problem) }
        };
        self.resource.default_service(web::to(other)).wrap(observer.route(self.pattern))
    }
}
