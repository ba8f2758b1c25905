//! The plain manifests, by kustomize.

use std::process::Command;

use serde_json::Value;

use super::objects::{Objects, SECRET, check, knows, kubernetes, list, pod_is_sound, project, said, text};

fn built(directory: &str) -> Objects {
    let mut kubectl = Command::new("kubectl");
    kubectl.arg("kustomize").arg(project("deploy/kubernetes").join(directory));
    let output = kubectl.output().expect("kubectl; run scripts/install-deps.sh test");
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let yaml = said(output).expect("it builds");
    Objects::parse(&kubernetes(&["read"], &yaml).expect("Kubernetes takes it"))
}

/// The program reads the files and knows the variables, with secrets in place of the cluster's.
fn read(files: &Value, token: &str, container: &Value) {
    let secret = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(&secret, SECRET).expect("a secret");
    let mut files = files.clone();
    let path = secret.path().to_str().expect("text");
    files["data"]["pushonce.toml"] = text(&files, "/data/pushonce.toml").replace(token, path).into();
    check(&files).expect("the program reads it");
    knows(list(container, "/env").iter().map(|variable| (text(variable, "/name"), text(variable, "/value"))));
}

/// What both have: the files, the pod, and who may reach the registry.
fn holds(objects: &Objects, workload: &Value) {
    let files = objects.the("ConfigMap");
    assert_eq!(text(files, "/metadata/name"), "pushonce", "the name changes with the policy");
    let policy = std::fs::read_to_string(project("deploy/policy.toml")).expect("a policy");
    assert_eq!(files["data"]["policy.toml"], policy);

    assert_eq!(text(workload, "/metadata/namespace"), "registry");
    let pod = &workload["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    let config: toml::Table = text(files, "/data/pushonce.toml").parse().expect("TOML");
    pod_is_sound(workload, &config);

    let token = config["admin"]["token_file"].as_str().expect("a path");
    read(files, token, container);
    let named = list(container, "/env").iter().filter(|variable| text(variable, "/name").ends_with("_FILE"));
    for path in named.map(|variable| text(variable, "/value")).chain([token]) {
        let lies = |mount: &Value| path.starts_with(&format!("{}/", text(mount, "/mountPath")));
        let mount = list(container, "/volumeMounts").iter().find(|mount| lies(mount));
        let name = text(mount.unwrap_or_else(|| panic!("{path} is not mounted")), "/name");
        let volume = list(pod, "/volumes").iter().find(|volume| text(volume, "/name") == name).expect("a volume");
        assert!(volume["secret"].is_object(), "{path} is in no secret");
    }

    let network = &objects.the("NetworkPolicy")["spec"];
    let labels = &workload["spec"]["template"]["metadata"]["labels"];
    assert_eq!(network["policyTypes"], serde_json::json!(["Ingress"]));
    assert_eq!(network["ingress"], serde_json::json!([{"from": [{"podSelector": {"matchLabels": labels}}]}]));
    assert_ne!(&network["podSelector"]["matchLabels"], labels);
}

#[test]
fn kustomize_makes_one_pushonce_with_a_ledger_in_a_file() {
    let objects = built("base");
    assert_eq!(objects.kinds(), ["ConfigMap", "NetworkPolicy", "Service", "Service", "StatefulSet"]);
    let workload = objects.the("StatefulSet");
    assert_eq!(workload["spec"]["replicas"], 1);
    assert_eq!(text(workload, "/spec/volumeClaimTemplates/0/metadata/name"), "ledger");
    holds(&objects, workload);
}

#[test]
fn kustomize_makes_two_that_share_postgresql() {
    let objects = built("postgres");
    let kinds = ["ConfigMap", "Deployment", "NetworkPolicy", "PodDisruptionBudget", "Service", "Service"];
    assert_eq!(objects.kinds(), kinds);
    let workload = objects.the("Deployment");
    assert_eq!(workload["spec"]["replicas"], 2);
    assert_eq!(objects.the("PodDisruptionBudget")["spec"]["selector"], workload["spec"]["selector"]);
    holds(&objects, workload);
}

#[test]
fn what_both_have_is_the_same() {
    for file in ["pushonce.toml", "policy.toml", "services.yaml", "network-policy.yaml"] {
        let [one, other] = ["base", "postgres"]
            .map(|directory| std::fs::read_to_string(project("deploy/kubernetes").join(directory).join(file)).expect(file));
        assert_eq!(one, other, "{file}");
    }
}
