//! A `WWW-Authenticate`: the password is sent only where it may go.

use http::HeaderValue;

use crate::upstream::token::{Scheme, scheme_of};

pub fn check(input: &[u8]) {
    // What is no text is left out before it is read.
    let Ok(value) = HeaderValue::from_bytes(input) else { return };
    let Ok(challenge) = value.to_str() else { return };
    for (registry, schemes) in
        [("https://registry.example/v2/", &["https"][..]), ("http://registry.example/v2/", &["https", "http"])]
    {
        match scheme_of(challenge, registry) {
            Err(_) => {}
            Ok(Scheme::Open) => panic!("a challenge is taken for none"),
            Ok(Scheme::Basic) => {
                assert!(names(challenge, "basic"), "{challenge}");
                let and_bearer = format!("{challenge}, Bearer realm=\"https://auth.example/\"");
                assert!(!matches!(scheme_of(&and_bearer, registry), Ok(Scheme::Basic)), "{and_bearer} is answered with Basic");
            }
            Ok(Scheme::Bearer { realm, service }) => {
                assert!(names(challenge, "bearer"), "{challenge}");
                assert!(schemes.contains(&realm.scheme()), "{challenge} sends the password over {}", realm.scheme());
                assert!(realm.host_str().is_some_and(|host| !host.is_empty()), "{realm} has no host");
                assert!(realm.username().is_empty() && realm.password().is_none(), "{realm} has credentials of its own");
                // A service cannot come from anywhere but the challenge.
                assert!(service.is_none() || names(challenge, "service"), "{challenge}");
            }
        }
    }
    // What is good enough for TLS is good enough without.
    assert!(scheme_of(challenge, "https://r/v2/").is_err() || scheme_of(challenge, "http://r/v2/").is_ok());
}

fn names(challenge: &str, word: &str) -> bool {
    challenge.to_ascii_lowercase().contains(word)
}
