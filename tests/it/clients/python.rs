//! The clients written in Python.

use super::{tell_a_delete, tell_a_release};
use crate::harness::api::split;
use crate::harness::{Dxf, Oras};

#[test]
fn the_python_sdk_of_oras_pushes_a_release_once() {
    tell_a_release(&Oras::new(), "oras push");
}

#[test]
fn the_python_sdk_of_oras_does_not_delete_a_release() {
    let oras = Oras::new();
    tell_a_delete(&oras, "oras delete", &|name| oras.delete(name));
}

#[test]
fn dxf_pushes_a_release_once() {
    tell_a_release(&Dxf::new(), "dxf push-blob");
}

#[test]
fn dxf_does_not_delete_a_release() {
    let dxf = Dxf::new();
    tell_a_delete(&dxf, "dxf del-alias", &|name| dxf.run("del-alias", name, &[split(name).1]));
}
