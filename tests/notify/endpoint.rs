//! An endpoint that answers as a test says.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use futures_util::future::BoxFuture;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

/// A request as it came.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) path: String,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Vec<u8>,
}

/// What is done with a request: the bytes that go back, status line and all.
pub(super) type Answer = dyn Fn(Request) -> BoxFuture<'static, Vec<u8>> + Send + Sync;

/// A listener that records. Everything ends with it.
pub(super) struct Endpoint {
    pub(super) port: u16,
    received: Arc<Mutex<Vec<Request>>>,
    serving: tokio::task::JoinHandle<()>,
}

impl Endpoint {
    /// Answers every request with a status.
    pub(super) async fn answering(status: u16) -> Self {
        Self::start(move |_| Box::pin(async move { reply(status, "") })).await
    }

    pub(super) async fn start(
        answer: impl Fn(Request) -> BoxFuture<'static, Vec<u8>> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let received: Arc<Mutex<Vec<Request>>> = Arc::default();
        let (kept, answer) = (received.clone(), Arc::new(answer) as Arc<Answer>);
        let serving = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, kept.clone(), answer.clone()));
            }
        });
        Self { port, received, serving }
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hook", self.port)
    }

    pub(super) fn received(&self) -> Vec<Request> {
        self.received.lock().unwrap().clone()
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// A whole answer.
pub(super) fn reply(status: u16, body: &str) -> Vec<u8> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nconnection: close\r\n");
    format!("{head}\r\n{body}").into_bytes()
}

async fn serve(
    stream: TcpStream,
    kept: Arc<Mutex<Vec<Request>>>,
    answer: Arc<Answer>,
) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let length = headers.get("content-length").and_then(|n| n.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    let request = Request { path, headers, body };
    kept.lock().unwrap().push(request.clone());
    stream.write_all(&answer(request).await).await?;
    stream.flush().await
}

impl Request {
    pub(super) fn id(&self) -> &str {
        &self.headers["webhook-id"]
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// How many of its signatures are made by a key, as a receiver would find out.
    pub(super) fn signed_by(&self, key: &[u8]) -> usize {
        let content =
            [self.id().as_bytes(), self.headers["webhook-timestamp"].as_bytes(), &self.body];
        let mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
        let code = mac.chain_update(content.join(&b'.')).finalize().into_bytes();
        let expected = format!("v1,{}", STANDARD.encode(code));
        self.headers["webhook-signature"].split(' ').filter(|found| *found == expected).count()
    }

    pub(super) fn signatures(&self) -> usize {
        self.headers["webhook-signature"].split(' ').count()
    }
}
