//! The rows: every request that there is, on a tag in every state.

use super::cell::{Cell, Thing};
use crate::harness::api::Api;
use crate::harness::exchange::Exchange;
use crate::harness::image::sha256;

/// One request, and what must be there before it.
pub struct Row {
    pub name: &'static str,
    pub about: &'static [Thing],
    pub send: fn(&Api, &Cell) -> Exchange,
    /// The status with which the policy refuses everybody, whatever they may do.
    pub refused: Option<u16>,
}

const fn row(name: &'static str, about: &'static [Thing], send: fn(&Api, &Cell) -> Exchange) -> Row {
    Row { name, about, send, refused: None }
}

pub const ROWS: &[Row] = &[
    row("pull a tag that the ledger knows", &[Thing::Known], |api, cell| api.pull(&cell.tag(Thing::Known))),
    row("HEAD of it", &[Thing::Known], |api, cell| api.head(&cell.tag(Thing::Known))),
    row("pull it when its manifest is gone", &[Thing::Gone], |api, cell| api.pull(&cell.tag(Thing::Gone))),
    row("pull a tag that the ledger has not met", &[Thing::Unmet], |api, cell| api.pull(&cell.tag(Thing::Unmet))),
    row("HEAD of it", &[Thing::Unmet], |api, cell| api.head(&cell.tag(Thing::Unmet))),
    row("pull a claimed tag", &[Thing::Open], |api, cell| api.pull(&cell.tag(Thing::Open))),
    row("pull a deleted tag", &[Thing::Burnt], |api, cell| api.pull(&cell.tag(Thing::Burnt))),
    row("pull a tag that nobody pushed", &[Thing::Known, Thing::Fresh], |api, cell| api.pull(&cell.tag(Thing::Fresh))),
    row("pull a moving tag", &[Thing::Moving], |api, cell| api.pull(&cell.tag(Thing::Moving))),
    row("pull by digest", &[Thing::Known], |api, cell| api.pull(&cell.digest(Thing::Known))),
    row("push a new tag", &[Thing::Fresh], |api, cell| cell.put(api, Thing::Fresh, Thing::Fresh)),
    row("push the same again", &[Thing::Known], |api, cell| cell.put(api, Thing::Known, Thing::Known)),
    row("push other bytes", &[Thing::Known], |api, cell| cell.put(api, Thing::Known, Thing::Fresh)),
    row("push other bytes to a tag not met", &[Thing::Unmet], |api, cell| cell.put(api, Thing::Unmet, Thing::Fresh)),
    row("push other bytes to a claimed tag", &[Thing::Open], |api, cell| cell.put(api, Thing::Open, Thing::Fresh)),
    row("push the claimed bytes", &[Thing::Open], |api, cell| cell.put(api, Thing::Open, Thing::Open)),
    row("push other bytes to a deleted tag", &[Thing::Burnt], |api, cell| cell.put(api, Thing::Burnt, Thing::Fresh)),
    row("push to a moving tag", &[Thing::Moving], |api, cell| cell.put(api, Thing::Moving, Thing::Fresh)),
    row("push to an audited tag", &[Thing::Audited], |api, cell| cell.put(api, Thing::Audited, Thing::Fresh)),
    row("push several new tags", &[Thing::Fresh, Thing::Second], |api, cell| cell.put_all(api, &[Thing::Fresh, Thing::Second])),
    row("push several tags, one taken", &[Thing::Known, Thing::Second], |api, cell| {
        cell.put_all(api, &[Thing::Second, Thing::Known])
    }),
    row("delete a tag that may not go", &[Thing::Known], |api, cell| api.delete(&cell.tag(Thing::Known))),
    row("delete one that the ledger has not met", &[Thing::Unmet], |api, cell| api.delete(&cell.tag(Thing::Unmet))),
    row("delete a claimed tag", &[Thing::Open], |api, cell| api.delete(&cell.tag(Thing::Open))),
    row("delete a tag that nobody pushed", &[Thing::Known, Thing::Fresh], |api, cell| api.delete(&cell.tag(Thing::Fresh))),
    row("delete a tag that may go", &[Thing::Loose], |api, cell| api.delete(&cell.tag(Thing::Loose))),
    row("delete a deleted tag", &[Thing::Burnt], |api, cell| api.delete(&cell.tag(Thing::Burnt))),
    row("delete a moving tag", &[Thing::Moving], |api, cell| api.delete(&cell.tag(Thing::Moving))),
    row("delete a digest that a tag needs", &[Thing::Known], |api, cell| api.delete(&cell.digest(Thing::Known))),
    row("delete one of a tag not met", &[Thing::Unmet], |api, cell| api.delete(&cell.digest(Thing::Unmet))),
    row("delete one of a tag that may go", &[Thing::Loose], |api, cell| api.delete(&cell.digest(Thing::Loose))),
    row("delete a digest that nothing needs", &[Thing::Known, Thing::Untagged], |api, cell| {
        api.delete(&cell.digest(Thing::Untagged))
    }),
    row("list the tags", &[Thing::Known, Thing::Unmet, Thing::Moving], |api, cell| {
        api.request("GET", &format!("/v2/{}/tags/list", cell.repository)).send()
    }),
    Row {
        refused: Some(405),
        ..row("delete a blob", &[Thing::Known], |api, cell| api.delete_blob(&cell.repository, &sha256(b"blob")))
    },
];
