//! Every request of the adapter against Stripe's own mock server, which knows the API's
//! specification and refuses what does not keep to it. What it answers is made up.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use stampede::{
    kernel::{clock::from_millis, ids::Ids, money::Money},
    platform::secret::{Secret, ServiceUrl},
    shop::payments::{
        Payment, Provider, ProviderError, Refund,
        stripe::{Settings, Stripe},
    },
};

use crate::harness::{free_port, until};

/// A process that ends with its test.
struct Mock(Child);

impl Drop for Mock {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Whether the request was understood. That its made-up answer is about another payment is not its
/// fault.
fn understood<T: std::fmt::Debug>(verb: &str, answer: &Result<T, ProviderError>) {
    let told = match answer {
        Ok(_) => return,
        Err(ProviderError::NoAnswer(error) | ProviderError::Wrong(error)) => format!("{error:#}"),
    };
    let about_another = told.contains("is for") && told.contains("asked was");
    assert!(about_another, "{verb}: {told}");
}

#[tokio::test]
async fn every_request_keeps_to_the_specification() {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join(".local/bin/stripe-mock");
    assert!(program.exists(), "stripe-mock: run `make test`");
    let address = format!("127.0.0.1:{}", free_port());
    let mut command = Command::new(program);
    command.args(["-http-addr", &address]).stdout(Stdio::null()).stderr(Stdio::null());
    let _mock = Mock(command.spawn().unwrap());
    until("the mock listens", async || tokio::net::TcpStream::connect(&address).await.is_ok())
        .await;

    let api_url: ServiceUrl = serde_json::from_value(format!("http://{address}").into()).unwrap();
    let stripe = Stripe::new(Settings {
        api_url,
        secret_key: Secret::new("sk_test_123"),
        timeout: Duration::from_secs(5),
        public_url: "https://shop.example".to_owned(),
    })
    .unwrap();
    let mut payment = Payment {
        order: Ids::random().order(),
        sale: "run".parse().unwrap(),
        amount: Money { amount: 12_900, currency: "EUR".parse().unwrap() },
        method: "pm_card_visa".parse().unwrap(),
        reference: None,
    };
    understood("prepare", &stripe.prepare(&payment).await);
    payment.reference = Some("pi_1DrPmE2eZvKYlo2CYTr5SGaA".to_owned());
    understood("authorise", &stripe.authorise(&payment).await);
    payment.method = "ctoken_1NnQUf2eZvKYlo2CIObdtbnb".parse().unwrap();
    understood("authorise by token", &stripe.authorise(&payment).await);
    understood("lookup", &stripe.lookup(&payment).await);
    understood("capture", &stripe.capture(&payment).await);
    understood("void", &stripe.void(&payment).await);
    let refund = Refund { id: Ids::random().unique(), amount: payment.amount };
    understood("refund", &stripe.refund(&payment, refund).await);
    understood("book", &stripe.book(from_millis(1_700_000_000_000)).await);
}
