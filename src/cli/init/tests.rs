use super::*;

fn arguments(directory: &Path, options: &[&str]) -> Arguments {
    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }
    let directory = directory.display().to_string();
    let line = ["init", "--directory", &directory].into_iter().chain(options.iter().copied());
    <Line as clap::Parser>::parse_from(line).arguments
}

#[test]
fn what_is_written_has_no_mistakes_and_no_warnings() {
    for options in [&[][..], &["--enforce"], &["--forward-only"], &["--once", "build-*", "--moving", "edge"]] {
        let directory = tempfile::tempdir().expect("a directory");
        let given = [&["--upstream", "https://registry.example.com/a", "--ledger", "sqlite:l.db"], options].concat();
        let text = init(arguments(directory.path(), &given), &[]).expect("written");
        assert!(text.contains("are written. What comes next:") && !text.contains("warning"), "{text}");
        let config = config::load(&directory.path().join("pushonce.toml"), &[]).expect("no mistakes");
        assert_eq!((config.upstream.authority.as_str(), &*config.upstream.prefix), ("registry.example.com", "/a"));
        assert!(config.warnings.is_empty(), "{}", config.warnings);
        let is_audited = config.policy.general().enforcement == crate::policy::Enforcement::Audit;
        assert_eq!(is_audited, !options.contains(&"--enforce"));
        assert_eq!(text.contains("pushonce report"), is_audited, "{text}");
        assert_eq!(config.policy.rules().len(), 2);
    }
}

#[test]
fn nothing_is_written_over_and_nothing_is_left_of_a_mistake() {
    let directory = tempfile::tempdir().expect("a directory");
    let files = || std::fs::read_dir(directory.path()).expect("a directory").count();
    let mistaken = [["--upstream", "registry"], ["--once", "x.y.z"], ["--once", "a\"b"], ["--ledger", "mysql:a"]];
    for mistake in mistaken {
        let given = [&mistake[..], if mistake[0] == "--upstream" { &[] } else { &["--upstream", "http://a"] }].concat();
        match init(arguments(directory.path(), &given), &[]) {
            Err(Ended::Misconfigured(mistakes)) => assert!(!mistakes.is_empty()),
            other => panic!("{mistake:?}: {other:?}"),
        }
        assert_eq!(files(), 0, "{mistake:?}");
    }
    std::fs::write(directory.path().join("policy.toml"), "mine").expect("written");
    match init(arguments(directory.path(), &["--upstream", "http://a"]), &[]) {
        Err(Ended::Mistaken(words)) => assert!(words.contains("policy.toml exists and is not written over"), "{words}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(files(), 1);
    match init(arguments(&directory.path().join("none"), &["--upstream", "http://a"]), &[]) {
        Err(Ended::Failed(words)) => assert!(words.contains("cannot be written"), "{words}"),
        other => panic!("{other:?}"),
    }
}
