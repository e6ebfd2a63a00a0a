//! The operators' listener.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use stampede::{
    platform::metrics::Metrics,
    web::ops::{ReadinessCheck, server},
};

#[tokio::test]
async fn it_shows_metrics_and_tells_the_truth() {
    let metrics = Metrics::new().unwrap();
    metrics.counter("stampede_things_total", "Things.").unwrap().inc_by(3);
    let (up, asked) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicUsize::new(0)));
    let (is_up, count) = (Arc::clone(&up), Arc::clone(&asked));
    let checks = vec![
        ReadinessCheck::new("steady", || async { Ok::<(), String>(()) }),
        ReadinessCheck::new("shaky", move || {
            count.fetch_add(1, Ordering::SeqCst);
            let up = is_up.load(Ordering::SeqCst);
            async move { if up { Ok(()) } else { Err("went away") } }
        }),
    ];
    let (address, running) = server("127.0.0.1:0".parse().unwrap(), metrics, checks).unwrap();
    let handle = running.handle();
    let server_task = tokio::spawn(running);
    let get = |path: &str| reqwest::get(format!("http://{address}{path}"));

    assert_eq!(get("/healthz").await.unwrap().status(), 200);
    let text = get("/metrics").await.unwrap().text().await.unwrap();
    assert!(text.contains("stampede_things_total 3"), "{text}");
    assert!(text.contains("process_resident_memory_bytes"), "{text}");

    let reply = get("/readyz").await.unwrap();
    assert_eq!(reply.status(), 200);
    up.store(false, Ordering::SeqCst);
    assert_eq!(get("/readyz").await.unwrap().status(), 200, "fresh results are given again");
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    tokio::time::sleep(std::time::Duration::from_millis(600)).await;
    let reply = get("/readyz").await.unwrap();
    assert_eq!(reply.status(), 503);
    let body: serde_json::Value = reply.json().await.unwrap();
    assert_eq!(body["ready"], false);
    assert_eq!(body["checks"][0]["ready"], true);
    assert_eq!(body["checks"][1]["reason"], "went away");
    assert!(body["checks"][1]["age_seconds"].as_f64().unwrap() < 0.5, "{body}");

    handle.stop(true).await;
    server_task.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let error = server(address, Metrics::new().unwrap(), Vec::new()).err().unwrap().to_string();
    assert!(
        error.contains(&address.to_string()) && error.contains("STAMPEDE_OPS__LISTEN"),
        "{error}"
    );
}

#[test]
fn a_metric_that_is_not_ours_is_refused() {
    let metrics = Metrics::new().unwrap();
    assert!(metrics.counter("things_total", "Things.").is_err());
    metrics.counter("stampede_things_total", "Things.").unwrap();
    assert!(metrics.counter("stampede_things_total", "Things.").is_err(), "taken");
}
