//! References as people write them.

use crate::oci::{RepositoryName, Tag};

/// Reads `REPOSITORY:TAG`.
pub fn parse(reference: &str) -> Result<(RepositoryName, Tag), String> {
    let shape = "a reference looks like REPOSITORY:TAG, such as driftwood/web:1.4.0";
    if reference.contains('@') {
        return Err(format!("`{reference}` names a digest, which no rule is about: {shape}"));
    }
    let named = reference.rsplit_once(':').filter(|(_, tag)| !tag.contains('/'));
    let (repository, tag) = named.ok_or_else(|| format!("`{reference}` has no tag: {shape}"))?;
    if let Some((host, rest)) = repository.split_once('/').filter(|(host, _)| host.contains(':') || *host == "localhost") {
        return Err(format!("`{reference}` begins with a registry host: leave out `{host}/` and write `{rest}:{tag}`"));
    }
    let repository = RepositoryName::parse(repository).map_err(|error| format!("`{reference}`: {error}; {shape}"))?;
    let tag = Tag::parse(tag).map_err(|error| format!("`{reference}`: {error}; {shape}"))?;
    Ok((repository, tag))
}
