//! end-1 to end-3: reading what is there.

use super::pair::Pair;
use crate::harness::Image;
use crate::harness::image::sha256;
use crate::harness::raw::raw;

#[test]
fn end_1_the_base_answers() {
    let pair = Pair::start();
    for method in ["GET", "HEAD"] {
        pair.same(|api| api.request(method, "/v2/").send()).expect_ok();
    }
}

#[test]
fn end_2_a_blob_is_read() {
    let (pair, image) = (Pair::start(), Image::with_layers(&[200_000]));
    pair.push("web:1.4.0", &image);
    for blob in &image.blobs {
        let path = format!("/v2/web/blobs/{}", sha256(blob));
        let read = pair.same(|api| api.request("GET", &path).send());
        assert_eq!(read.expect_ok().body, *blob);
        let head = pair.same(|api| api.request("HEAD", &path).send());
        assert_eq!(head.expect_ok().header("content-length"), Some(blob.len().to_string().as_str()));
    }
}

#[test]
fn end_2_a_part_of_a_blob_is_read() {
    let (pair, image) = (Pair::start(), Image::with_layers(&[10_000]));
    pair.push("web:1.4.0", &image);
    let layer = &image.blobs[1];
    let path = format!("/v2/web/blobs/{}", sha256(layer));
    for range in ["bytes=0-9", "bytes=100-", "bytes=-7"] {
        pair.same(|api| api.request("GET", &path).header("Range", range).send()).expect(206);
    }
    let part = pair.same(|api| api.request("GET", &path).header("Range", "bytes=100-199").send());
    assert_eq!(part.expect(206).body, layer[100..200]);
    pair.same(|api| api.request("HEAD", &path).header("Range", "bytes=0-9").send());
    let stale = pair.same(|api| api.request("GET", &path).header("Range", "bytes=0-9").header("If-Range", "\"other\"").send());
    assert_eq!(stale.expect_ok().body, *layer);
}

#[test]
fn end_3_a_manifest_is_read_by_every_name() {
    let (pair, image) = (Pair::start(), Image::random());
    let index = Image::index(&[&image, &Image::docker()]);
    for (tag, image) in [("1.4.0", &image), ("latest", &image), ("1.5.0", &index), ("1", &index)] {
        pair.push(&format!("web:{tag}"), image);
        for name in [format!("web:{tag}"), format!("web@{}", image.digest())] {
            let read = pair.same(|api| api.pull(&name));
            assert_eq!(read.expect_ok().expect_digest(&image.digest()).body, image.manifest.bytes);
            let head = pair.same(|api| api.head(&name));
            assert_eq!(head.expect_ok().header("content-length"), Some(image.manifest.bytes.len().to_string().as_str()));
        }
    }
}

/// docker-registry 2.8 announces the length of the whole blob with its 416 and then
/// hangs up, so there is no whole answer to compare.
#[test]
fn end_2_a_part_that_a_blob_does_not_have_is_refused() {
    let (pair, image) = (Pair::start(), Image::random());
    pair.push("web:1.4.0", &image);
    let path = format!("/v2/web/blobs/{}", sha256(&image.blobs[0]));
    for (address, range) in [pair.direct.address(), pair.proxy.address()]
        .into_iter()
        .flat_map(|to| ["bytes=999999-", "rows=1-2"].map(|range| (to, range)))
    {
        let answer =
            raw(address, format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nRange: {range}\r\n\r\n").as_bytes());
        assert!(answer.starts_with("HTTP/1.1 416"), "{range}: {answer}");
    }
}

/// RFC 9112, section 3.2: HTTP/1.1 towards the registry needs a Host all the same.
#[test]
fn a_client_of_http_1_0_need_not_name_a_host() {
    let (pair, image) = (Pair::start(), Image::random());
    pair.push("web:1.4.0", &image);
    for address in [pair.direct.address(), pair.proxy.address()] {
        let ask = |method: &str, path: &str| raw(address, format!("{method} {path} HTTP/1.0\r\nAccept: */*\r\n\r\n").as_bytes());
        let status = |answer: &str| answer.split(' ').nth(1).unwrap_or_default().to_owned();
        assert_eq!(status(&ask("GET", "/v2/")), "200");
        let read = ask("GET", &format!("/v2/web/blobs/{}", sha256(&image.blobs[0])));
        assert!(read.as_bytes().ends_with(&image.blobs[0]), "{read}");
        assert_eq!(status(&ask("POST", "/v2/web/blobs/uploads/")), "202");
        assert_eq!(status(&ask("GET", "/v2/web/tags/list")), "200");
    }
}
