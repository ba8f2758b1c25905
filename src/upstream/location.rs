//! Rewrites `Location` and `Link`, so that clients stay on this side of the gate.

use http::uri::{Authority, Scheme};
use http::{HeaderMap, HeaderValue, header};

/// Which URLs mean the registry behind the gate.
#[derive(Debug)]
pub struct Addresses<'a> {
    /// The registry's own authority.
    pub upstream: &'a Authority,
    pub scheme: &'a Scheme,
    /// The `Host` and `X-Forwarded-Host` that were sent to the registry: many build
    /// URLs from one of them.
    pub hosts: [Option<&'a HeaderValue>; 2],
    /// The path prefix of the registry; empty for none.
    pub prefix: &'a str,
}

/// Rewrites both headers where they point at the registry itself. URLs of other
/// hosts, such as a storage service that serves the blob, are left alone.
pub fn rewrite(headers: &mut HeaderMap, addresses: &Addresses<'_>) {
    if let Some(value) = headers.get(header::LOCATION).and_then(|value| value.to_str().ok())
        && let Some(rewritten) = addresses.relative(value)
        && let Ok(rewritten) = HeaderValue::from_str(&rewritten)
    {
        headers.insert(header::LOCATION, rewritten);
    }
    let links: Vec<_> = headers.get_all(header::LINK).iter().map(|value| addresses.rewrite_link(value)).collect();
    headers.remove(header::LINK);
    for link in links {
        headers.append(header::LINK, link);
    }
}

impl Addresses<'_> {
    /// The path and query as the client shall ask for them; `None` where the URL
    /// can stay as it is.
    fn relative(&self, url: &str) -> Option<String> {
        if url.starts_with('/') && !url.starts_with("//") {
            return self.without_prefix(url);
        }
        // Split by hand: a path that is no legal one must not get past either.
        let (scheme, rest) = match url.strip_prefix("//") {
            Some(rest) => (self.scheme.clone(), rest),
            None => url.split_once("://").and_then(|(scheme, rest)| Some((web_scheme(scheme)?, rest)))?,
        };
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let authority: Authority = authority.rsplit('@').next()?.parse().ok()?;
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        self.is_registry(&authority, &scheme).then(|| self.without_prefix(&path).unwrap_or_else(|| own(&path)))
    }

    fn without_prefix(&self, path: &str) -> Option<String> {
        if self.prefix.is_empty() {
            return None;
        }
        path.strip_prefix(self.prefix).filter(|rest| rest.starts_with('/')).map(own)
    }

    fn is_registry(&self, authority: &Authority, scheme: &Scheme) -> bool {
        let is_upstream = same_host(authority, self.upstream) && port(authority, scheme) == port(self.upstream, self.scheme);
        let is_host = |host: &HeaderValue| host.as_bytes().eq_ignore_ascii_case(authority.as_str().as_bytes());
        is_upstream || self.hosts.into_iter().flatten().any(is_host)
    }

    /// Rewrites each `<…>` of a `Link` value (RFC 8288, section 3).
    fn rewrite_link(&self, value: &HeaderValue) -> HeaderValue {
        let rewritten = value.to_str().ok().map(|text| {
            let mut parts = text.split('<');
            let mut rewritten = parts.next().unwrap_or_default().to_owned();
            for part in parts {
                rewritten.push('<');
                match part.split_once('>') {
                    Some((url, rest)) => {
                        rewritten += &self.relative(url).unwrap_or_else(|| url.to_owned());
                        rewritten.push('>');
                        rewritten += rest;
                    }
                    None => rewritten += part,
                }
            }
            rewritten
        });
        rewritten.and_then(|text| HeaderValue::from_str(&text).ok()).unwrap_or_else(|| value.clone())
    }
}

fn web_scheme(text: &str) -> Option<Scheme> {
    [Scheme::HTTP, Scheme::HTTPS].into_iter().find(|scheme| scheme.as_str().eq_ignore_ascii_case(text))
}

/// A path that stays on this side: with `//` in front it would name a host.
fn own(path: &str) -> String {
    format!("/{}", path.trim_start_matches('/'))
}

fn same_host(left: &Authority, right: &Authority) -> bool {
    left.host().eq_ignore_ascii_case(right.host())
}

fn port(authority: &Authority, scheme: &Scheme) -> u16 {
    authority.port_u16().unwrap_or(if *scheme == Scheme::HTTPS { 443 } else { 80 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(prefix: &str, name: &'static str, value: &str) -> String {
        let upstream = Authority::from_static("registry.internal:5001");
        let (host, forwarded) = (HeaderValue::from_static("registry.example"), HeaderValue::from_static("edge.example"));
        let addresses = Addresses { upstream: &upstream, scheme: &Scheme::HTTP, hosts: [Some(&host), Some(&forwarded)], prefix };
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_str(value).expect("a header value"));
        rewrite(&mut headers, &addresses);
        headers[name].to_str().expect("text").to_owned()
    }

    #[test]
    fn urls_of_the_registry_become_relative() {
        for (prefix, from, to) in [
            ("", "http://registry.internal:5001/v2/a/blobs/uploads/1?_state=x", "/v2/a/blobs/uploads/1?_state=x"),
            ("", "http://registry.example/v2/a/blobs/uploads/1", "/v2/a/blobs/uploads/1"),
            ("", "https://REGISTRY.example/v2/", "/v2/"),
            ("", "//registry.internal:5001/v2/", "/v2/"),
            ("", "HTTP://Registry.Internal:5001/v2/", "/v2/"),
            ("", "http://user@registry.internal:5001/v2/", "/v2/"),
            ("", "http://registry.internal:5001?n=1", "/?n=1"),
            ("", "http://registry.internal:5001/v2/<no legal path>", "/v2/<no legal path>"),
            ("", "http://registry.internal:5001//other.example/", "/other.example/"),
            ("/registry", "/registry//other.example/", "/other.example/"),
            ("", "/v2/a/", "/v2/a/"),
            ("/registry", "/registry/v2/a/", "/v2/a/"),
            ("/registry", "http://registry.internal:5001/registry/v2/a/", "/v2/a/"),
            ("/registry", "https://edge.example/registry/v2/a/", "/v2/a/"),
            ("/registry", "/registryv2/a/", "/registryv2/a/"),
            ("/registry", "/elsewhere/v2/a/", "/elsewhere/v2/a/"),
        ] {
            assert_eq!(rewritten(prefix, "location", from), to, "{from} behind {prefix:?}");
        }
    }

    #[test]
    fn urls_of_others_stay() {
        for url in [
            "https://bucket.s3.example/blob?X-Signature=a%2Fb",
            "http://registry.internal/v2/",
            "http://registry.internal:5002/v2/",
            "https://auth.example/token?service=registry.internal:5001",
            "v2/relative",
        ] {
            assert_eq!(rewritten("/registry", "location", url), url);
        }
    }

    #[test]
    fn every_link_of_a_value_is_rewritten() {
        assert_eq!(
            rewritten("/r", "link", "</r/v2/_catalog?last=b&n=2>; rel=\"next\", <https://other.example/>; rel=help"),
            "</v2/_catalog?last=b&n=2>; rel=\"next\", <https://other.example/>; rel=help"
        );
    }
}
