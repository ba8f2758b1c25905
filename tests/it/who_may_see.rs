//! Who may see what, and who may change what: every credential with every request,
//! compared with what the registry alone says to the same client. Nobody learns of
//! a repository, a tag or a digest by going through the proxy, and nobody without
//! the right to push or delete changes what others can do.

mod cell;
mod request;
mod table;
mod world;

use self::request::ROWS;
use self::table::Table;
use self::world::{CREDENTIALS, World};
use crate::harness::Denial;

fn prove(denial: Denial, has_account: bool) {
    let world = World::start(denial, has_account);
    let mut table = Table::new(format!("{denial:?}, {}", if has_account { "with an account" } else { "without an account" }));
    for (number, row) in ROWS.iter().enumerate() {
        for (column, credential) in CREDENTIALS.iter().enumerate() {
            let cell = world.seed(format!("team-{number}-{column}/application"), row);
            table.enter(row, credential, cell.try_out(row, credential));
        }
    }
    table.expect_no_fault();
}

#[test]
fn a_registry_that_challenges_is_no_different_through_the_proxy() {
    prove(Denial::Challenges, false);
}

#[test]
fn a_registry_that_challenges_is_no_different_through_a_proxy_with_an_account() {
    prove(Denial::Challenges, true);
}

#[test]
fn a_registry_that_forbids_is_no_different_through_a_proxy_with_an_account() {
    prove(Denial::Forbids, true);
}

#[test]
fn a_registry_that_hides_is_no_different_through_the_proxy() {
    prove(Denial::Hides, false);
}

#[test]
fn a_registry_that_hides_is_no_different_through_a_proxy_with_an_account() {
    prove(Denial::Hides, true);
}
