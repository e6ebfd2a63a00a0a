//! A scripted Stripe: payment intents and refunds as its documentation tells of them, idempotency
//! keys included, and every kind of trouble on order.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    net::TcpListener,
    sync::{Arc, Mutex},
    time::Duration,
};

use actix_web::{
    App, HttpRequest, HttpResponse, HttpServer,
    http::StatusCode,
    web::{Bytes, Data},
};
use serde_json::{Value, json};

/// What goes wrong with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// It takes place; the answer never comes.
    Silence,
    /// It does not take place, and no answer comes.
    Lost,
    /// It takes place; half of the answer comes.
    HalfBody,
    Html,
    Status(u16),
    /// It takes place, for another amount than was asked.
    OtherAmount,
    OtherCurrency,
}

#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) verb: String,
    pub(crate) path: String,
    pub(crate) form: BTreeMap<String, String>,
    pub(crate) key: Option<String>,
    pub(crate) version: Option<String>,
}

#[derive(Default)]
struct State {
    intents: HashMap<String, Value>,
    refunds: Vec<Value>,
    /// What was asked and answered under an idempotency key.
    keys: HashMap<String, (String, u16, Value)>,
    troubles: VecDeque<(&'static str, Trouble)>,
    seen: Vec<Seen>,
}

#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) url: String,
    state: Arc<Mutex<State>>,
}

/// What stands for Stripe's own script: a field into which a test writes the token that comes of it.
const SCRIPT: &str = r#"
window.Stripe = (key) => ({
  elements: ({ amount, currency }) => ({
    create: () => ({
      mount: (place) => {
        place.textContent = `Card fields of ${key}: ${amount} ${currency}`;
        const label = document.createElement("label");
        label.textContent = " Token ";
        const field = document.createElement("input");
        field.name = "the-card";
        label.append(field);
        place.append(label);
      },
    }),
    submit: async () => {
      const wrong = document.querySelector("[name=the-card]").value === "wrong";
      return wrong ? { error: { message: "Your card number is incomplete." } } : {};
    },
  }),
  createConfirmationToken: async () => {
    const field = document.querySelector("[name=the-card]");
    field.disabled = true;
    return { confirmationToken: { id: field.value } };
  },
});
"#;

/// Longer than any client of a test waits.
const FOR_EVER: Duration = Duration::from_secs(20);

impl Server {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = Self { url, state: Arc::default() };
        let data = Data::new(server.clone());
        std::thread::spawn(move || {
            let app = move || {
                App::new().app_data(data.clone()).default_service(actix_web::web::to(answer))
            };
            let serving =
                HttpServer::new(app).workers(1).disable_signals().listen(listener).unwrap();
            actix_web::rt::System::new().block_on(serving.run()).unwrap();
        });
        server
    }

    /// The next request whose path ends so has this trouble.
    pub(crate) fn trouble(&self, path: &'static str, trouble: Trouble) {
        self.state.lock().unwrap().troubles.push_back((path, trouble));
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.state.lock().unwrap().seen.clone()
    }

    /// Requests of this verb whose path ends so.
    pub(crate) fn count(&self, verb: &str, path: &str) -> usize {
        self.seen().iter().filter(|seen| seen.verb == verb && seen.path.ends_with(path)).count()
    }

    /// What the shopper does at his bank.
    pub(crate) fn bank(&self, confirms: bool) {
        let mut state = self.state.lock().unwrap();
        for intent in state.intents.values_mut().filter(|i| i["status"] == "requires_action") {
            intent["next_action"] = Value::Null;
            if confirms {
                intent["status"] = json!("requires_capture");
            } else {
                intent["status"] = json!("requires_payment_method");
                intent["last_payment_error"] = json!({
                    "type": "card_error", "code": "payment_intent_authentication_failure",
                });
            }
        }
    }

    /// Every intent's status, as the book has it.
    pub(crate) fn statuses(&self) -> Vec<String> {
        let state = self.state.lock().unwrap();
        state.intents.values().map(|intent| intent["status"].as_str().unwrap().to_owned()).collect()
    }

    /// What was given back of all intents.
    pub(crate) fn refunded(&self) -> i64 {
        let state = self.state.lock().unwrap();
        state.refunds.iter().map(|refund| refund["amount"].as_i64().unwrap()).sum()
    }

    /// A refund that somebody made in Stripe's own dashboard.
    pub(crate) fn refund_past_the_shop(&self, amount: i64) {
        let mut state = self.state.lock().unwrap();
        let id = state.intents.keys().next().unwrap().clone();
        state.refund(&id, amount, &json!({}));
    }

    /// Intents are authorised for which no order of the shop accounts; a day later, when idempotency
    /// keys are forgotten.
    pub(crate) fn authorise_past_the_shop(&self) {
        let mut state = self.state.lock().unwrap();
        state.keys.clear();
        for intent in state.intents.values_mut() {
            intent["status"] = json!("requires_capture");
        }
    }
}

async fn answer(request: HttpRequest, body: Bytes, server: Data<Server>) -> HttpResponse {
    let query = request.query_string().as_bytes().to_vec();
    let form = [&body[..], &query].into_iter().flat_map(form_urlencoded::parse);
    let header = |name: &str| {
        request.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
    };
    let seen = Seen {
        verb: request.method().to_string(),
        path: request.path().trim_start_matches("/v1/").to_owned(),
        form: form.map(|(name, value)| (name.into_owned(), value.into_owned())).collect(),
        key: header("idempotency-key"),
        version: header("stripe-version"),
    };
    if seen.path == "/stripe.js" {
        return HttpResponse::Ok().content_type("text/javascript").body(SCRIPT);
    }
    let trouble = {
        let mut state = server.state.lock().unwrap();
        state.seen.push(seen.clone());
        let at = state.troubles.iter().position(|(path, _)| seen.path.ends_with(path));
        at.and_then(|at| state.troubles.remove(at)).map(|(_, trouble)| trouble)
    };
    match trouble {
        Some(Trouble::Lost) => {
            tokio::time::sleep(FOR_EVER).await;
            return HttpResponse::Ok().finish();
        }
        Some(Trouble::Html) => {
            return HttpResponse::Ok().content_type("text/html").body("<html>maintenance</html>");
        }
        Some(Trouble::Status(status)) => {
            let body = json!({ "error": { "type": "api_error", "message": "not now" } });
            return HttpResponse::build(StatusCode::from_u16(status).unwrap()).json(body);
        }
        _ => {}
    }
    let (status, mut body) = server.state.lock().unwrap().answer(&seen);
    match trouble {
        Some(Trouble::Silence) => tokio::time::sleep(FOR_EVER).await,
        Some(Trouble::HalfBody) => {
            let text = body.to_string();
            return HttpResponse::Ok().body(text[..text.len() / 2].to_owned());
        }
        Some(Trouble::OtherAmount) => body["amount"] = json!(1),
        Some(Trouble::OtherCurrency) => body["currency"] = json!("jpy"),
        _ => {}
    }
    HttpResponse::build(StatusCode::from_u16(status).unwrap()).json(body)
}

fn error(status: u16, kind: &str, code: &str) -> (u16, Value) {
    (status, json!({ "error": { "type": kind, "code": code, "message": "no" } }))
}

impl State {
    /// The same answer again for the same key; another request under it is refused.
    fn answer(&mut self, seen: &Seen) -> (u16, Value) {
        let asked = format!("{} {} {:?}", seen.verb, seen.path, seen.form);
        let Some(key) = &seen.key else { return self.act(seen) };
        if let Some((before, status, body)) = self.keys.get(key) {
            if *before != asked {
                return error(400, "idempotency_error", "idempotency_key_in_use");
            }
            return (*status, body.clone());
        }
        let (status, body) = self.act(seen);
        self.keys.insert(key.clone(), (asked, status, body.clone()));
        (status, body)
    }

    fn act(&mut self, seen: &Seen) -> (u16, Value) {
        let parts: Vec<&str> = seen.path.split('/').collect();
        match (seen.verb.as_str(), parts.as_slice()) {
            ("POST", ["payment_intents"]) => self.create(seen),
            ("GET", ["payment_intents"]) => {
                let data: Vec<Value> = self.intents.values().cloned().collect();
                (200, json!({ "object": "list", "data": data, "has_more": false }))
            }
            ("GET", ["payment_intents", id]) => match self.intents.get(*id) {
                Some(intent) => (200, intent.clone()),
                None => error(404, "invalid_request_error", "resource_missing"),
            },
            ("POST", ["payment_intents", id, verb]) => self.change(id, verb, &seen.form),
            ("GET", ["refunds"]) => {
                (200, json!({ "object": "list", "data": self.refunds, "has_more": false }))
            }
            ("POST", ["refunds"]) => {
                let amount: i64 = seen.form["amount"].parse().unwrap();
                let metadata = json!({
                    "refund": seen.form["metadata[refund]"], "order": seen.form["metadata[order]"],
                });
                let id = seen.form["payment_intent"].clone();
                let charged = self.intents[&id]["amount"].as_i64().unwrap();
                let back = self.intents[&id]["latest_charge"]["amount_refunded"].as_i64().unwrap();
                if back + amount > charged {
                    return error(400, "invalid_request_error", "charge_already_refunded");
                }
                (200, self.refund(&id, amount, &metadata))
            }
            other => panic!("Stripe has no {other:?}"),
        }
    }

    fn create(&mut self, seen: &Seen) -> (u16, Value) {
        let id = format!("pi_{}", self.intents.len() + 1);
        let form = &seen.form;
        assert_eq!(form["capture_method"], "manual");
        let intent = json!({
            "id": id, "object": "payment_intent", "status": "requires_payment_method",
            "amount": form["amount"].parse::<i64>().unwrap(), "currency": form["currency"],
            "created": 1_800_000_000,
            "metadata": { "order": form["metadata[order]"], "sale": form["metadata[sale]"] },
        });
        self.intents.insert(id, intent.clone());
        (200, intent)
    }

    fn change(&mut self, id: &str, verb: &str, form: &BTreeMap<String, String>) -> (u16, Value) {
        let Some(intent) = self.intents.get_mut(id) else {
            return error(404, "invalid_request_error", "resource_missing");
        };
        let status = intent["status"].as_str().unwrap().to_owned();
        let next = match (verb, status.as_str()) {
            ("confirm", "requires_payment_method") => {
                let method = form.get("payment_method").or(form.get("confirmation_token")).unwrap();
                assert!(form["return_url"].contains("/orders/ord_"));
                match method.as_str() {
                    "pm_declined" | "ctoken_declined" => {
                        let refusal = json!({ "type": "card_error", "code": "card_declined",
                            "decline_code": "insufficient_funds" });
                        intent["last_payment_error"] = refusal.clone();
                        return (402, json!({ "error": refusal }));
                    }
                    "pm_missing" => {
                        return (
                            400,
                            json!({ "error": { "type": "invalid_request_error",
                            "code": "resource_missing", "param": "payment_method" } }),
                        );
                    }
                    "pm_bank" | "ctoken_bank" => {
                        intent["next_action"] = json!({
                            "type": "redirect_to_url",
                            "redirect_to_url": { "url": "https://bank.example/3ds" },
                        });
                        "requires_action"
                    }
                    _ => "requires_capture",
                }
            }
            ("capture", "requires_capture") => "succeeded",
            ("cancel", "succeeded" | "canceled") | ("confirm" | "capture", _) => {
                return error(400, "invalid_request_error", "payment_intent_unexpected_state");
            }
            ("cancel", _) => "canceled",
            other => panic!("Stripe has no {other:?}"),
        };
        intent["status"] = json!(next);
        if next == "succeeded" {
            intent["latest_charge"] = json!({ "id": format!("ch_{id}"), "amount_refunded": 0 });
        }
        (200, intent.clone())
    }

    fn refund(&mut self, id: &str, amount: i64, metadata: &Value) -> Value {
        let back = &mut self.intents.get_mut(id).unwrap()["latest_charge"]["amount_refunded"];
        *back = json!(back.as_i64().unwrap_or(0) + amount);
        let refund = json!({ "id": format!("re_{}", self.refunds.len()), "status": "succeeded",
            "amount": amount, "payment_intent": id, "metadata": metadata });
        self.refunds.push(refund.clone());
        refund
    }
}
