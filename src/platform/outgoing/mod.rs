//! Requests to addresses that somebody else has chosen.
//!
//! Whoever names an address could name one of ours: a database, a cloud's metadata. So unless told
//! otherwise only public addresses are spoken to, by https, and what a name stands for is looked at
//! at the moment of connecting, on the very addresses that are connected to: a name that changes in
//! between finds no gap. Redirects are answers like others, proxies of the environment are not
//! used, and of an answer's body only the beginning is read, however much there is.

pub mod address;

use std::{
    error::Error,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use reqwest::{
    Client,
    dns::{Addrs, Name, Resolve, Resolving},
    header::HeaderMap,
    redirect::Policy,
};
use thiserror::Error;
use url::{Host, Url};

use super::tls;

/// Of an answer's body, so much is read: what people need to see why they were refused.
const EXCERPT: usize = 2048;
/// Connections kept for the next request to the same host, and for how long.
const IDLE: (usize, Duration) = (4, Duration::from_secs(30));

/// Whom we speak to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Public addresses, by https.
    Public,
    /// Anybody, by http too.
    Anywhere,
}

/// Why an address is not spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Forbidden {
    /// `ftp:`, or `http:` where only https will do.
    #[error("expected an address that begins with https://")]
    Scheme,
    /// A literal address, or what a name stands for, is not public.
    #[error("leads to an address that is not public")]
    NotPublic,
}

/// An answer, whatever it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// The beginning of its body.
    pub excerpt: String,
}

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum NoAnswer {
    /// The address is none that we speak to.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// Nothing came in time.
    #[error("no answer in time")]
    Late,
    /// No connection, or one that broke.
    #[error("{0}")]
    Broken(String),
}

/// Speaks to others. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Outgoing {
    client: Client,
    reach: Reach,
    timeout: Duration,
}

impl Outgoing {
    /// An answer's head has to come within `timeout`.
    pub fn new(reach: Reach, timeout: Duration) -> anyhow::Result<Self> {
        tls::install();
        let client = Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .referer(false)
            .dns_resolver(Resolver { reach })
            .connect_timeout(timeout)
            .pool_max_idle_per_host(IDLE.0)
            .pool_idle_timeout(IDLE.1)
            .user_agent(concat!("Stampede/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { client, reach, timeout })
    }

    /// Posts `body`, once.
    pub async fn post(
        &self,
        url: &Url,
        headers: HeaderMap,
        body: Vec<u8>,
    ) -> Result<Answer, NoAnswer> {
        allowed(url, self.reach)?;
        let asking = async {
            let request = self.client.post(url.clone()).headers(headers).body(body);
            let reply = request.send().await.map_err(|error| no_answer(&error))?;
            let status = reply.status().as_u16();
            Ok::<_, NoAnswer>((status, reply))
        };
        let asked = tokio::time::timeout(self.timeout, asking).await;
        let (status, reply) = asked.map_err(|_| NoAnswer::Late)??;
        // the status is the answer: what follows may be endless, broken or late
        let mut read = Vec::new();
        let _ = tokio::time::timeout(self.timeout, beginning(reply, &mut read)).await;
        Ok(Answer { status, excerpt: String::from_utf8_lossy(&read).into_owned() })
    }
}

/// Whether an address may be spoken to, as far as can be seen without asking what its name stands
/// for.
pub fn allowed(url: &Url, reach: Reach) -> Result<(), Forbidden> {
    if reach == Reach::Anywhere {
        return match url.scheme() {
            "https" | "http" => Ok(()),
            _ => Err(Forbidden::Scheme),
        };
    }
    if url.scheme() != "https" {
        return Err(Forbidden::Scheme);
    }
    let literal = match url.host() {
        Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
        Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
        _ => None,
    };
    match literal {
        Some(address) if !address::is_public(address) => Err(Forbidden::NotPublic),
        _ => Ok(()),
    }
}

/// The same, with what its name stands for at this moment. A name that stands for nothing now may
/// do so later.
pub async fn allowed_now(url: &Url, reach: Reach) -> Result<(), Forbidden> {
    allowed(url, reach)?;
    let Some(Host::Domain(name)) = url.host() else { return Ok(()) };
    match tokio::net::lookup_host((name, 0)).await {
        Ok(found) => permitted(found, reach).map(drop),
        Err(_) => Ok(()),
    }
}

async fn beginning(mut reply: reqwest::Response, read: &mut Vec<u8>) {
    while let Ok(Some(chunk)) = reply.chunk().await {
        let room = EXCERPT.saturating_sub(read.len());
        read.extend(chunk.iter().take(room));
        if read.len() >= EXCERPT {
            return;
        }
    }
}

fn no_answer(error: &reqwest::Error) -> NoAnswer {
    let mut forbidden = causes(error).filter_map(|cause| cause.downcast_ref::<Forbidden>());
    if let Some(forbidden) = forbidden.next() {
        return NoAnswer::Forbidden(*forbidden);
    }
    if error.is_timeout() {
        return NoAnswer::Late;
    }
    // the first one names the address, which the reader knows
    let causes: Vec<String> = causes(error).skip(1).map(ToString::to_string).collect();
    NoAnswer::Broken(if causes.is_empty() { "no connection".to_owned() } else { causes.join(": ") })
}

fn causes<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

/// Asks the system, and hands on what may be spoken to.
#[derive(Debug)]
struct Resolver {
    reach: Reach,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = self.reach;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            Ok(permitted(found, reach)?)
        })
    }
}

fn permitted(found: impl Iterator<Item = SocketAddr>, reach: Reach) -> Result<Addrs, Forbidden> {
    let permitted: Vec<SocketAddr> =
        found.filter(|at| reach == Reach::Anywhere || address::is_public(at.ip())).collect();
    if permitted.is_empty() {
        Err(Forbidden::NotPublic)
    } else {
        Ok(Box::new(permitted.into_iter()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(url: &str, reach: Reach) -> Result<(), Forbidden> {
        allowed(&Url::parse(url).unwrap(), reach)
    }

    #[test]
    fn only_public_addresses_by_https_unless_told_otherwise() {
        assert_eq!(look("https://shop.example/hook", Reach::Public), Ok(()));
        assert_eq!(look("https://8.8.8.8/", Reach::Public), Ok(()));
        assert_eq!(look("http://shop.example/", Reach::Public), Err(Forbidden::Scheme));
        assert_eq!(look("ftp://shop.example/", Reach::Anywhere), Err(Forbidden::Scheme));
        assert_eq!(look("http://127.0.0.1:9/", Reach::Anywhere), Ok(()));
        // the last four are spellings of 127.0.0.1
        for own in [
            "169.254.169.254",
            "[::1]",
            "[::ffff:10.0.0.1]",
            "127.1",
            "0x7f.0.0.1",
            "2130706433",
            "0177.0.0.1",
        ] {
            let url = format!("https://{own}/");
            assert_eq!(look(&url, Reach::Public), Err(Forbidden::NotPublic), "{own}");
        }
    }

    #[test]
    fn of_what_a_name_stands_for_only_the_public_part_is_handed_on() {
        let mixed = ["10.0.0.1:0", "8.8.8.8:0", "[::1]:0"].map(|at| at.parse().unwrap());
        let kept: Vec<_> = permitted(mixed.into_iter(), Reach::Public).unwrap().collect();
        assert_eq!(kept, ["8.8.8.8:0".parse().unwrap()]);
        let own = ["10.0.0.1:0".parse().unwrap()];
        assert_eq!(permitted(own.into_iter(), Reach::Public).err(), Some(Forbidden::NotPublic));
        assert_eq!(permitted(mixed.into_iter(), Reach::Anywhere).unwrap().count(), 3);
    }
}
