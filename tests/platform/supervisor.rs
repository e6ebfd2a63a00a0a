//! A task that ends takes the process along; one that is asked to leave is waited for.

use std::time::Duration;

use stampede::platform::{shutdown::Shutdown, supervisor::Supervisor};
use tokio::time::sleep;

const DRAIN: Duration = Duration::from_millis(300);

fn with_a_patient_task() -> (Shutdown, Supervisor) {
    let shutdown = Shutdown::new();
    let mut supervisor = Supervisor::new(shutdown.clone(), DRAIN);
    let asked = shutdown.clone();
    supervisor.spawn("patient", async move {
        asked.requested().await;
        sleep(Duration::from_millis(20)).await;
        Ok(())
    });
    (shutdown, supervisor)
}

#[tokio::test]
async fn tasks_that_leave_when_asked_are_a_good_end() {
    let (shutdown, supervisor) = with_a_patient_task();
    let running = tokio::spawn(supervisor.run());
    sleep(Duration::from_millis(20)).await;
    assert!(!running.is_finished());
    shutdown.request();
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_task_that_ends_before_its_time_takes_the_others_along() {
    for (kind, reason) in [("error", "no luck"), ("panic", "panicked"), ("return", "returned")] {
        let (shutdown, mut supervisor) = with_a_patient_task();
        supervisor.spawn("short", async move {
            match kind {
                "error" => anyhow::bail!("no luck"),
                "panic" => panic!("on purpose"),
                _ => Ok(()),
            }
        });
        let error = supervisor.run().await.unwrap_err().to_string();
        assert!(error.contains("`short`") && error.contains(reason), "{error}");
        assert!(shutdown.is_requested());
    }
}

#[tokio::test]
async fn an_error_while_leaving_is_told() {
    let (shutdown, mut supervisor) = with_a_patient_task();
    let asked = shutdown.clone();
    supervisor.spawn("last", async move {
        asked.requested().await;
        anyhow::bail!("could not flush")
    });
    shutdown.request();
    let error = supervisor.run().await.unwrap_err().to_string();
    assert!(error.contains("could not flush"), "{error}");
}

#[tokio::test]
async fn a_drain_that_takes_too_long_is_cut_short_and_named() {
    let (shutdown, mut supervisor) = with_a_patient_task();
    supervisor.spawn("stubborn", std::future::pending());
    shutdown.request();
    let error = supervisor.run().await.unwrap_err().to_string();
    assert!(error.contains("stubborn") && !error.contains("patient"), "{error}");
}
