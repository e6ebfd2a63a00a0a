//! An SMTP server that does as a test says.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

/// What it answers to a command; `None` for never.
pub(super) type Script = dyn Fn(&str) -> Option<&'static str> + Send + Sync;

/// The server. Everything ends with it.
pub(super) struct Smtp {
    pub(super) port: u16,
    state: Arc<State>,
    serving: tokio::task::JoinHandle<()>,
}

struct State {
    script: Mutex<Arc<Script>>,
    taken: Mutex<Vec<String>>,
    connections: AtomicUsize,
    /// Offers STARTTLS, and nothing else before it.
    tls: Option<TlsAcceptor>,
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// To every command what a server in good health answers.
#[expect(clippy::unnecessary_wraps, reason = "it is a script like the others")]
pub(super) fn well(command: &str) -> Option<&'static str> {
    Some(match command.get(..4).unwrap_or_default() {
        "EHLO" => "250-scripted\r\n250 AUTH PLAIN",
        "AUTH" => "235 welcome",
        "DATA" => "354 go on",
        "QUIT" => "221 bye",
        _ => "250 fine",
    })
}

impl Smtp {
    /// Answers with `script`; the text of a mail is the command `.`.
    pub(super) async fn start(
        script: impl Fn(&str) -> Option<&'static str> + Send + Sync + 'static,
    ) -> Self {
        Self::listen(script, None).await
    }

    /// Takes mail over TLS only.
    pub(super) async fn upgrading(tls: TlsAcceptor) -> Self {
        Self::listen(well, Some(tls)).await
    }

    async fn listen(
        script: impl Fn(&str) -> Option<&'static str> + Send + Sync + 'static,
        tls: Option<TlsAcceptor>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State {
            script: Mutex::new(Arc::new(script)),
            taken: Mutex::default(),
            connections: AtomicUsize::new(0),
            tls,
        });
        let shared = state.clone();
        let serving = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                shared.connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(Box::new(stream), shared.clone()));
            }
        });
        Self { port, state, serving }
    }

    pub(super) fn setting(&self) -> String {
        format!("smtp://127.0.0.1:{}", self.port)
    }

    /// From now on it answers with `script`.
    pub(super) fn turn(
        &self,
        script: impl Fn(&str) -> Option<&'static str> + Send + Sync + 'static,
    ) {
        *self.state.script.lock().unwrap() = Arc::new(script);
    }

    /// The mails that it said yes to.
    pub(super) fn taken(&self) -> Vec<String> {
        self.state.taken.lock().unwrap().clone()
    }

    pub(super) fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Smtp {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(stream: Box<dyn Stream>, state: Arc<State>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut tls = state.tls.clone();
    stream.write_all(b"220 scripted\r\n").await?;
    let mut line = String::new();
    while stream.read_line(&mut line).await? > 0 {
        let command = line.trim_end().to_owned();
        line.clear();
        if let Some(acceptor) = &tls {
            let answer = match command.get(..4).unwrap_or_default() {
                "EHLO" => "250-scripted\r\n250 STARTTLS",
                "STAR" => "220 go on",
                _ => "530 STARTTLS first",
            };
            stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
            if answer.starts_with("220") {
                let upgraded = acceptor.accept(stream.into_inner()).await?;
                stream = BufReader::new(Box::new(upgraded));
                tls = None;
            }
            continue;
        }
        let script = state.script.lock().unwrap().clone();
        let Some(answer) = script(&command) else { std::future::pending().await };
        stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
        if answer.starts_with("354") {
            let mut text = String::new();
            while !text.ends_with("\r\n.\r\n") {
                if stream.read_line(&mut text).await? == 0 {
                    return Ok(());
                }
            }
            let Some(answer) = script(".") else { std::future::pending().await };
            if answer.starts_with('2') {
                state.taken.lock().unwrap().push(text);
            }
            stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
        }
        if answer.starts_with("221") || answer.starts_with("421") {
            return Ok(());
        }
    }
    Ok(())
}
