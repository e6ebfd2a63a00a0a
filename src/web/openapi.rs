//! The contract as a document, made from the handlers, and a reader for it. Both come out of the
//! binary: nothing is fetched from elsewhere.

use std::{collections::BTreeMap, sync::LazyLock};

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, HeaderValue},
};
use utoipa::{
    Modify, OpenApi,
    openapi::{
        self, ContentBuilder, HeaderBuilder, Ref, RefOr, ResponseBuilder,
        path::Operation,
        schema::{ObjectBuilder, Type},
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};
use utoipa_swagger_ui::Config;

use super::{
    api,
    cache::{PUBLIC, Ready},
    error::{Code, Fault, Problem, ProblemDetails},
    extract::session_cookie,
};

/// The whole API.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Stampede",
        description = "A flash-sale storefront that sells every unit once.\n\n\
            Every write says what should be, so every call may be repeated. An answer of 503 \
            promises nothing: wait for `Retry-After`, then send the same request again."
    ),
    paths(
        api::session::create,
        api::sales::list,
        api::sales::show,
        api::stock::show,
        api::cart::show,
        api::cart::set_line,
        api::cart::release,
        api::checkout::buy,
        api::orders::list,
        api::orders::show
    ),
    components(schemas(ProblemDetails, Fault)),
    tags(
        (name = "session", description = "Who the shopper is"),
        (name = "sales", description = "What is on sale: the same for everyone"),
        (name = "cart", description = "What a shopper holds for a while"),
        (name = "checkout", description = "Buying what is held"),
        (name = "orders", description = "What a shopper bought")
    ),
    modifiers(&Tokens, &Errors)
)]
struct Api;

/// How a shopper is known.
struct Tokens;

impl Modify for Tokens {
    fn modify(&self, api: &mut openapi::OpenApi) {
        let components = api.components.get_or_insert_default();
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        components.add_security_scheme("token", SecurityScheme::Http(bearer));
        let cookie = ApiKey::Cookie(ApiKeyValue::new(session_cookie(false)));
        components.add_security_scheme("cookie", SecurityScheme::ApiKey(cookie));
    }
}

/// Which errors an operation may answer with.
fn errors_of(operation: &str) -> Vec<Code> {
    use Code::{
        CartChanged, CartEmpty, CheckoutInProgress, Forbidden, HoldExpired, Internal, Invalid,
        LimitReached, Malformed, NotFound, PaymentDeclined, RateLimited, SaleEnded, SaleNotStarted,
        SalePaused, SoldOut, TooLarge, Unauthorized, Unavailable, UnsupportedMediaType,
    };
    let body = [Malformed, Invalid, TooLarge, UnsupportedMediaType];
    let own: &[Code] = match operation {
        "getSale" | "getStock" => &[NotFound],
        "getCart" => &[Unauthorized, NotFound, HoldExpired],
        "setLine" => &[
            Unauthorized,
            Forbidden,
            NotFound,
            SoldOut,
            LimitReached,
            CheckoutInProgress,
            SaleNotStarted,
            SaleEnded,
            SalePaused,
        ],
        "releaseLine" => &[Unauthorized, Forbidden, NotFound, CheckoutInProgress],
        "checkout" => &[
            Unauthorized,
            Forbidden,
            NotFound,
            PaymentDeclined,
            HoldExpired,
            CartEmpty,
            CartChanged,
            CheckoutInProgress,
        ],
        "listOrders" => &[Unauthorized],
        "getOrder" => &[Unauthorized, NotFound],
        _ => &[],
    };
    let reads_body = matches!(operation, "setLine" | "checkout");
    let everywhere = [RateLimited, Unavailable, Internal];
    let bodies = body.into_iter().filter(|_| reads_body);
    own.iter().copied().chain(bodies).chain(everywhere).collect()
}

struct Errors;

impl Modify for Errors {
    fn modify(&self, api: &mut openapi::OpenApi) {
        for path in api.paths.paths.values_mut() {
            let operations = [&mut path.get, &mut path.put, &mut path.post, &mut path.delete];
            operations.into_iter().flatten().for_each(add_errors);
        }
    }
}

fn add_errors(operation: &mut Operation) {
    let mut by_status = BTreeMap::<String, Vec<Code>>::new();
    for code in errors_of(operation.operation_id.as_deref().unwrap_or_default()) {
        by_status.entry(code.status().as_str().to_owned()).or_default().push(code);
    }
    for (status, codes) in by_status {
        let described: Vec<_> =
            codes.iter().map(|code| format!("`{}`: {}", code.name(), code.title())).collect();
        let problem = Ref::from_schema_name("ProblemDetails");
        let content = ContentBuilder::new().schema(Some(problem)).build();
        let mut response = ResponseBuilder::new()
            .description(described.join(" · "))
            .content("application/problem+json", content);
        if status == "503" {
            let seconds = ObjectBuilder::new().schema_type(Type::Integer);
            let header = HeaderBuilder::new()
                .schema(Some(seconds.build()))
                .description(Some("Seconds after which the same request may be sent again"));
            response = response.header("Retry-After", header.build());
        }
        operation.responses.responses.insert(status, RefOr::T(response.build()));
    }
}

static DOCUMENT: LazyLock<Ready> = LazyLock::new(|| {
    let document = Api::openapi().to_json().unwrap_or_default();
    Ready::new(document, HeaderValue::from_static("application/json"), PUBLIC).packed()
});

/// The document.
pub async fn document(request: HttpRequest) -> HttpResponse {
    DOCUMENT.reply(&request)
}

/// `/docs` without the slash that its files are relative to.
pub async fn to_docs() -> HttpResponse {
    HttpResponse::PermanentRedirect().insert_header((header::LOCATION, "/docs/")).finish()
}

/// For the reader: its scripts are files of ours, but it styles its elements one by one.
const READER_POLICY: &str = "default-src 'none'; script-src 'self'; \
     style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; \
     form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

/// The reader's files.
pub async fn docs(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let config = Config::from("/api/v1/openapi.json").try_it_out_enabled(true);
    let name = request.match_info().get("file").unwrap_or_default();
    let file = utoipa_swagger_ui::serve(name, config.into());
    let file = file
        .map_err(|error| Problem::internal(anyhow::anyhow!("{error}")))?
        .ok_or_else(|| Problem::not_found("page"))?;
    let content_type = HeaderValue::try_from(file.content_type).map_err(Problem::internal)?;
    let mut reply = Ready::new(file.bytes.into_owned(), content_type, PUBLIC).reply(&request);
    let policy = HeaderValue::from_static(READER_POLICY);
    reply.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    if file.gzpipped {
        let gzip = HeaderValue::from_static("gzip");
        reply.headers_mut().insert(header::CONTENT_ENCODING, gzip);
    }
    Ok(reply)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_and_every_operation_is_in_the_document() {
        let api = serde_json::to_value(Api::openapi()).unwrap();
        assert_eq!(api["openapi"], "3.1.0");
        let text = api["paths"].to_string();
        for code in Code::ALL {
            let elsewhere = code == Code::MethodNotAllowed;
            assert!(elsewhere || text.contains(&format!("`{}`", code.name())), "{code:?}");
        }
        let put = &api["paths"]["/api/v1/sales/{sale}/cart/lines/{sku}"]["put"]["responses"];
        assert_eq!(
            put["409"]["content"]["application/problem+json"]["schema"]["$ref"],
            "#/components/schemas/ProblemDetails"
        );
        assert!(api["components"]["schemas"]["ProblemDetails"].is_object());
    }
}
