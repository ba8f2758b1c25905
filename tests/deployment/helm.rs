//! The Helm chart.

use serde_json::Value;
use yaml_rust2::{Yaml, YamlLoader};

use super::objects::{self, Objects, SECRET, list, pod_is_sound, project, text};

const CHART: &str = "deploy/helm/pushonce";

const SQLITE: &str = "upstream: {url: 'http://registry:5000'}\n";

const EVERYTHING: &str = r#"
image: {repository: registry.example.com/pushonce, pullSecrets: [{name: login}]}
upstream: {url: 'https://registry.example.com', username: pushonce, passwordSecret: {name: registry-user}}
ledger: {kind: postgres, url: 'postgres://pushonce@db/pushonce?sslmode=require', passwordSecret: {name: db, key: pw}}
admin: {tokenSecret: {name: look, key: bearer}}
tls: {secret: certificate}
drainTimeoutSeconds: 90
extraConfig: |
  [log]
  format = "json"
env: {PUSHONCE_UPSTREAM__TAG_CASE: fold}
extraVolumes: [{name: ca, configMap: {name: ca}}]
extraVolumeMounts: [{name: ca, mountPath: /etc/ca}]
networkPolicy: {registry: {enabled: true, labels: {app: registry}, port: 5001}}
serviceMonitor: {enabled: true, labels: {release: prometheus}}
"#;

fn render(values: &str) -> Result<Objects, String> {
    objects::kubernetes(&["template", CHART], values).map(|json| Objects::parse(&json))
}

fn refused(values: &str, why: &str) {
    let said = render(values).err().unwrap_or_else(|| panic!("taken: {values}"));
    assert!(said.contains(why), "{said}");
}

/// The configuration passes `pushonce check`, with Secrets where it says that they are.
fn check(objects: &Objects) {
    let secrets = tempfile::tempdir().expect("a directory");
    for file in ["admin/token", "upstream/password", "ledger/password"] {
        let path = secrets.path().join(file);
        std::fs::create_dir_all(path.parent().expect("one")).expect("a directory");
        std::fs::write(path, SECRET).expect("a file");
    }
    let mut config = objects.the("ConfigMap").clone();
    let toml = text(&config, "/data/pushonce.toml").replace("/run/secrets", secrets.path().to_str().expect("text"));
    config["data"]["pushonce.toml"] = toml.into();
    objects::check(&config).expect("a configuration");
}

fn pod(workload: &Value) -> &Value {
    &workload["spec"]["template"]["spec"]
}

/// What holds for every pod, by whatever values.
fn sound(objects: &Objects, workload: &Value) {
    check(objects);
    let container = &pod(workload)["containers"][0];
    let toml = text(objects.the("ConfigMap"), "/data/pushonce.toml");
    pod_is_sound(workload, &toml.parse().expect("TOML"));
    let mounts: Vec<_> = list(container, "/volumeMounts").iter().map(|mount| format!("{}/", text(mount, "/mountPath"))).collect();
    for line in toml.lines().filter(|line| line.contains("\"/") || line.contains("sqlite:")) {
        assert!(mounts.iter().any(|mount| line.contains(mount)), "not mounted: {line}");
    }
    // The image sets these as well, and variables override the file.
    for (index, key) in ["url", "witness"].iter().enumerate() {
        let value = text(&container["env"][index], "/value");
        assert!(toml.contains(&format!("{key} = \"{value}\"")), "{value}");
    }
}

#[test]
fn helm_has_nothing_against_it() {
    objects::kubernetes(&["lint", CHART], "").expect("a chart");
}

#[test]
fn sqlite_is_one_pod_with_a_volume() {
    let objects = render(SQLITE).expect("objects");
    assert_eq!(objects.kinds(), ["ConfigMap", "Service", "Service", "StatefulSet"]);
    let set = objects.the("StatefulSet");
    assert_eq!(set["spec"]["replicas"], 1);
    assert_eq!(text(set, "/spec/volumeClaimTemplates/0/metadata/name"), "ledger");
    sound(&objects, set);
}

#[test]
fn postgres_is_several_pods() {
    let objects = render(EVERYTHING).expect("objects");
    let kinds = ["ConfigMap", "Deployment", "NetworkPolicy", "PodDisruptionBudget", "Service", "Service"];
    assert_eq!(objects.kinds(), [&kinds[..], &["ServiceMonitor"]].concat());
    let deployment = objects.the("Deployment");
    assert_eq!(deployment["spec"]["replicas"], 2);
    assert_eq!(deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"], 0);
    sound(&objects, deployment);
    let credentials = &objects.the("ServiceMonitor")["spec"]["endpoints"][0]["authorization"]["credentials"];
    assert_eq!(credentials, &serde_json::json!({"name": "look", "key": "bearer"}));
    // Of this registry's pods, by pods of pushonce alone.
    let policy = objects.the("NetworkPolicy");
    assert_eq!(policy["spec"]["podSelector"]["matchLabels"], serde_json::json!({"app": "registry"}));
    let admitted = &deployment["spec"]["selector"]["matchLabels"];
    let from = serde_json::json!([{"podSelector": {"matchLabels": admitted}}]);
    let ports = serde_json::json!([{"protocol": "TCP", "port": 5001}]);
    assert_eq!(policy["spec"]["ingress"], serde_json::json!([{"from": from, "ports": ports}]));
}

#[test]
fn an_autoscaler_alone_says_how_many() {
    let objects = render(&format!("{EVERYTHING}autoscaling: {{enabled: true}}\n")).expect("objects");
    assert!(objects.the("Deployment")["spec"].get("replicas").is_none());
    assert_eq!(text(objects.the("HorizontalPodAutoscaler"), "/spec/scaleTargetRef/name"), "pushonce");
    assert_eq!(objects.the("PodDisruptionBudget")["spec"]["maxUnavailable"], 1);
}

#[test]
fn pods_start_again_for_the_configuration_and_not_for_the_policy() {
    let sum = |values: &str| {
        let objects = render(values).expect("objects");
        objects.the("StatefulSet")["spec"]["template"]["metadata"]["annotations"].clone()
    };
    let before = sum(SQLITE);
    assert_eq!(sum(&format!("{SQLITE}policy: 'default = \"immutable\"'\n")), before);
    assert_ne!(sum(&format!("{SQLITE}drainTimeoutSeconds: 31\n")), before);
}

#[test]
fn what_cannot_work_is_refused() {
    refused("", "upstream.url is missing");
    for many in ["replicas: 2", "autoscaling: {enabled: true}"] {
        refused(&format!("{SQLITE}{many}\n"), "set ledger.kind=postgres");
    }
    refused(&format!("{SQLITE}ledger: {{kind: postgres}}\n"), "needs ledger.url");
    refused(&format!("{SQLITE}replica: 1\n"), "'replica' not allowed");
    refused(&format!("{SQLITE}env: {{PUSHONCE_LEDGER__URL: 'sqlite:/tmp/other.db'}}\n"), "invalid propertyName");
    refused(&format!("{SQLITE}networkPolicy: {{registry: {{enabled: true}}}}\n"), "/networkPolicy/registry/labels");
    refused("upstream: {url: 'http://r', username: me}", "go together");
}

/// Where it could end up in the ConfigMap.
#[test]
fn a_password_is_no_value() {
    refused("upstream: {url: 'https://me:secret@registry'}", "/upstream/url");
    for url in ["postgres://me:secret@db/x", "postgres://me@db/x?password=secret"] {
        refused(&format!("{SQLITE}ledger: {{kind: postgres, url: '{url}'}}\n"), "/ledger/url");
    }
    refused("upstream: {url: 'http://r', password: secret}", "password");
    refused(&format!("{SQLITE}env: {{PUSHONCE_UPSTREAM__PASSWORD: secret}}\n"), "invalid propertyName");
}

#[test]
fn its_policy_is_that_of_the_other_deployments() {
    let rules = |text: &str| text.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n");
    let objects = render(SQLITE).expect("objects");
    let other = std::fs::read_to_string(objects::project("deploy/policy.toml")).expect("a policy");
    assert_eq!(rules(text(objects.the("ConfigMap"), "/data/policy.toml")), rules(&other));
}

#[test]
fn its_image_is_of_this_version() {
    let objects = render(SQLITE).expect("objects");
    let image = text(pod(objects.the("StatefulSet")), "/containers/0/image");
    assert_eq!(image, concat!("pushonce:", env!("CARGO_PKG_VERSION")));
}

#[test]
fn every_value_is_in_the_document() {
    let document = std::fs::read_to_string(project("docs/KUBERNETES.md")).expect("the document");
    let documented: Vec<&str> =
        document.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`')).map(|(value, _)| value).collect();
    let values = std::fs::read_to_string(project(CHART).join("values.yaml")).expect("the values");
    let values = YamlLoader::load_from_str(&values).expect("YAML").remove(0);
    let mut found = Vec::new();
    leaves("", &values, &mut found);
    assert_eq!(documented, found);
}

/// The values by their full names; those of `resources` are Kubernetes' own.
fn leaves(name: &str, value: &Yaml, found: &mut Vec<String>) {
    match value.as_hash().filter(|fields| !fields.is_empty() && !name.starts_with("resources.")) {
        Some(fields) => {
            for (key, value) in fields {
                let key = key.as_str().expect("a name");
                leaves(&if name.is_empty() { key.to_owned() } else { format!("{name}.{key}") }, value, found);
            }
        }
        None => found.push(name.to_owned()),
    }
}
