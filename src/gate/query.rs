//! The query of a request target, read strictly.

use crate::refusal::Refusal;

/// Pairs in the order they came. Values are in the normal form of RFC 3986,
/// section 6.2.2: what needs no percent-encoding has none.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Query {
    pairs: Vec<(String, Option<String>)>,
}

impl Query {
    /// Refuses whatever two servers could split or decode in different ways: `;`
    /// (a separator to some), encoded keys, empty pairs, broken encodings.
    pub fn parse(raw: Option<&str>) -> Result<Self, Refusal> {
        let raw = raw.unwrap_or_default();
        if raw.is_empty() {
            return Ok(Self::default());
        }
        let pairs = raw.split('&').map(|pair| parse_pair(pair).ok_or_else(|| malformed(pair))).collect::<Result<_, _>>()?;
        Ok(Self { pairs })
    }

    /// The values of a key; an absent value counts as empty.
    pub fn values<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.pairs.iter().filter(move |(name, _)| name == key).map(|(_, value)| value.as_deref().unwrap_or_default())
    }

    /// The first key that is not among `known`.
    pub fn key_other_than(&self, known: &[&str]) -> Option<&str> {
        self.pairs.iter().map(|(name, _)| name.as_str()).find(|name| !known.contains(name))
    }

    /// Appends `?…` to `path`; nothing where there are no pairs.
    pub fn render_onto(&self, path: &mut String) {
        for (index, (name, value)) in self.pairs.iter().enumerate() {
            path.push(if index == 0 { '?' } else { '&' });
            path.push_str(name);
            if let Some(value) = value {
                path.push('=');
                path.push_str(value);
            }
        }
    }
}

fn parse_pair(pair: &str) -> Option<(String, Option<String>)> {
    let (name, value) = match pair.split_once('=') {
        Some((name, value)) => (name, Some(normalize(value)?)),
        None => (pair, None),
    };
    let is_key = !name.is_empty() && name.bytes().all(is_unreserved);
    is_key.then(|| (name.to_owned(), value))
}

/// The value with every needless percent-encoding undone.
fn normalize(value: &str) -> Option<String> {
    let mut normal = String::with_capacity(value.len());
    let mut bytes = value.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let decoded = 16 * hex(bytes.next()?)? + hex(bytes.next()?)?;
                if is_unreserved(decoded) {
                    normal.push(char::from(decoded));
                } else {
                    normal.push_str(&format!("%{decoded:02X}"));
                }
            }
            _ if is_unreserved(byte) || b"!$'()*+,/:=?@".contains(&byte) => normal.push(char::from(byte)),
            _ => return None,
        }
    }
    Some(normal)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// RFC 3986, section 2.3.
pub fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

fn malformed(pair: &str) -> Refusal {
    // The value may be the state of an upload, or a token.
    let key = pair.split(['=', ';']).next().unwrap_or_default();
    Refusal::malformed(format!("the query has a part that is not `key=value` in plain form: `{}`", key.escape_debug()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(raw: &str) -> Option<String> {
        let mut path = String::new();
        Query::parse(Some(raw)).ok()?.render_onto(&mut path);
        Some(path)
    }

    #[test]
    fn renders_the_normal_form() {
        for (raw, normal) in [
            ("", ""),
            ("digest=sha256%3aab", "?digest=sha256%3Aab"),
            ("digest=sha256:ab", "?digest=sha256:ab"),
            ("_state=aB%2d_%3D%3d&x", "?_state=aB-_%3D%3D&x"),
            ("a=b+c&a=", "?a=b+c&a="),
            ("tag=%31.4.0", "?tag=1.4.0"),
        ] {
            assert_eq!(rendered(raw).as_deref(), Some(normal), "{raw}");
        }
    }

    #[test]
    fn refuses_what_could_be_read_in_two_ways() {
        for raw in [
            "a=1;tag=2",
            "%74ag=1",
            "&",
            "a=1&",
            "&a=1",
            "=1",
            "a=%",
            "a=%4",
            "a=%zz",
            "a=%+1",
            "a=b c",
            "a=\\",
            "a=#",
            "a=\"",
            "a[]=1",
            "a=é",
        ] {
            assert_eq!(rendered(raw), None, "{raw} was accepted");
        }
    }
}
