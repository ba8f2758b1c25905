//! The Debian package.

use std::path::Path;
use std::process::Command;

use crate::deployment::objects::{project, said};

fn run(program: &str, arguments: &[&str]) -> Result<String, String> {
    said(Command::new(program).args(arguments).current_dir(project("")).output().expect(program))
}

#[test]
fn the_package_has_what_runs_pushonce() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name).display().to_string();
    let made = run("scripts/deb.sh", &["dev", &path("")]).expect("a package");
    let package = made.lines().last().expect("its name");
    assert!(package.ends_with(&format!("/pushonce_{}-1_amd64.deb", env!("CARGO_PKG_VERSION"))), "{made}");

    run("dpkg-deb", &["--extract", package, &path("root")]).expect("its files");
    run("dpkg-deb", &["--control", package, &path("control")]).expect("its scripts");
    let root = Path::new(directory.path()).join("root");
    let read = |name: &str| std::fs::read_to_string(directory.path().join(name)).expect(name);

    // The program, with the files that stand beside it.
    let program = path("root/usr/bin/pushonce");
    let checked = run(&program, &["check", &path("root/etc/pushonce/pushonce.toml")]).expect("no mistakes");
    assert!(checked.contains("pushonce.toml: no mistakes"), "{checked}");

    // Every file of /etc is kept when the package is upgraded.
    let mut in_etc: Vec<String> = std::fs::read_dir(root.join("etc/pushonce"))
        .expect("a directory")
        .map(|entry| format!("/etc/pushonce/{}", entry.expect("an entry").file_name().display()))
        .collect();
    in_etc.sort();
    assert_eq!(read("control/conffiles").lines().collect::<Vec<_>>(), in_etc);

    // The units run the program of the package, and are not started before the registry is named.
    let unit = read("root/usr/lib/systemd/system/pushonce.service");
    assert!(unit.starts_with("[Unit]") && unit.contains("ExecStart=/usr/bin/pushonce serve"), "{unit}");
    assert!(read("root/usr/lib/systemd/system/pushonce.socket").starts_with("[Unit]"));
    let after = read("control/postinst");
    assert!(!after.contains("deb-systemd-invoke start") && after.contains("deb-systemd-invoke try-restart"), "{after}");

    let pages = std::fs::read_dir(root.join("usr/share/man/man1")).expect("manual pages").count();
    assert!(pages > 20, "{pages} manual pages");
    assert!(read("root/usr/share/bash-completion/completions/pushonce").contains("pushonce"));
}
