//! The plain manifests, by kustomize.

use std::process::Command;

use serde_json::Value;

use super::objects::{Objects, check, kubernetes, project, said, text};

fn built(directory: &str) -> Objects {
    let mut kubectl = Command::new("kubectl");
    kubectl.arg("kustomize").arg(project("deploy/kubernetes").join(directory));
    let output = kubectl.output().expect("kubectl; run scripts/install-deps.sh test");
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let yaml = said(output).expect("it builds");
    Objects::parse(&kubernetes(&["read"], &yaml).expect("Kubernetes takes it"))
}

fn list<'a>(object: &'a Value, pointer: &str) -> &'a Vec<Value> {
    object.pointer(pointer).and_then(Value::as_array).unwrap_or_else(|| panic!("no list {pointer}"))
}

/// The program reads the files and knows the variables, with secrets in place of the cluster's.
fn read(files: &Value, token: &str, container: &Value) {
    let secret = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(&secret, "0123456789abcdef0123456789abcdef").expect("a secret");
    let path = secret.path().to_str().expect("text");
    let mut files = files.clone();
    files["data"]["pushonce.toml"] = text(&files, "/data/pushonce.toml").replace(token, path).into();
    check(&files).expect("the program reads it");

    let mut program = Command::new(env!("CARGO_BIN_EXE_pushonce"));
    program.env_clear().arg("check").arg(project("config/pushonce.toml"));
    for variable in list(container, "/env") {
        let name = text(variable, "/name");
        program.env(name, if name.ends_with("_FILE") { path } else { text(variable, "/value") });
    }
    said(program.output().expect("it runs")).expect("it knows the variables");
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
    let drain = config["server"]["drain_timeout"].as_str().and_then(|text| text.strip_suffix('s'));
    let drain: u64 = drain.expect("seconds").parse().expect("a number");
    assert!(pod["terminationGracePeriodSeconds"].as_u64() > Some(drain));

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
    for (probe, path) in [("startupProbe", "/livez"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")] {
        let get = &container[probe]["httpGet"];
        assert_eq!(text(get, "/path"), path);
        let ports = list(container, "/ports");
        let port = ports.iter().find(|port| port["name"] == get["port"]).expect("a port of the container");
        assert_eq!(config["admin"]["listen"], toml::Value::from(format!("0.0.0.0:{}", port["containerPort"])));
    }
    assert_eq!(pod["automountServiceAccountToken"], false);
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    for id in ["runAsUser", "runAsGroup", "fsGroup"] {
        assert_eq!(pod["securityContext"][id], 65532, "{id}");
    }
    assert_eq!(text(pod, "/securityContext/seccompProfile/type"), "RuntimeDefault");
    let rights = &container["securityContext"];
    assert_eq!(rights["allowPrivilegeEscalation"], false);
    assert_eq!(rights["readOnlyRootFilesystem"], true);
    assert_eq!(rights["capabilities"], serde_json::json!({"drop": ["ALL"]}));

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
