//! The contract as a document, and its reader.

use super::plain;
use crate::harness::Shop;

#[tokio::test]
async fn the_document_and_its_reader_come_out_of_the_binary() {
    let shop = Shop::open().await;
    let document = plain(&shop, "GET", "/api/v1/openapi.json").await.json();
    assert_eq!(document["openapi"], "3.1.0");
    let paths = document["paths"].as_object().unwrap();
    assert_eq!(paths.len(), 9);
    for (path, operations) in paths {
        for (verb, operation) in operations.as_object().unwrap() {
            let responses = operation["responses"].as_object().unwrap();
            assert!(responses.keys().any(|status| status.starts_with('2')), "{verb} {path}");
            assert!(responses.contains_key("503"), "{verb} {path}");
        }
    }
    let bare = plain(&shop, "GET", "/docs").await;
    assert!(bare.text.contains("swagger-ui"), "{}", bare.text);
    for file in ["swagger-ui.css", "swagger-ui-bundle.js", "swagger-initializer.js"] {
        let reply = plain(&shop, "GET", &format!("/docs/{file}")).await;
        assert_eq!(reply.status, 200, "{file}");
        assert!(!reply.text.contains("https://unpkg.com"), "{file}");
    }
    plain(&shop, "GET", "/docs/nothing").await.expect(404, "not_found");
    shop.close().await;
}
