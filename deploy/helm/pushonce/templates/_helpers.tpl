{{- define "pushonce.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name }}{{ else }}{{ .Release.Name }}-{{ .Chart.Name }}{{ end -}}
{{- end }}

{{- define "pushonce.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "pushonce.labels" -}}
{{ include "pushonce.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "pushonce.replicas" -}}
{{- .Values.replicas | default (eq .Values.ledger.kind "postgres" | ternary 2 1) -}}
{{- end }}

{{- define "pushonce.ledger" -}}
{{- eq .Values.ledger.kind "postgres" | ternary .Values.ledger.url "sqlite:/var/lib/pushonce/pushonce.db" -}}
{{- end }}

{{- define "pushonce.witness" -}}
/var/lib/pushonce/pushonce{{ if eq .Values.ledger.kind "sqlite" }}.db{{ end }}.head
{{- end }}

{{- /* What no schema can say well. */ -}}
{{- define "pushonce.refuse" -}}
{{- if not .Values.upstream.url }}
{{- fail "upstream.url is missing: the registry, such as http://registry:5000" }}
{{- end }}
{{- if eq .Values.ledger.kind "sqlite" }}
{{- if or .Values.autoscaling.enabled (gt (int (include "pushonce.replicas" .)) 1) }}
{{- fail "a sqlite ledger serves one replica only: for more, or autoscaling, set ledger.kind=postgres and ledger.url" }}
{{- end }}
{{- if .Values.ledger.url }}
{{- fail "ledger.url is for a database: set ledger.kind=postgres, or leave it out" }}
{{- end }}
{{- else if not .Values.ledger.url }}
{{- fail "ledger.kind=postgres needs ledger.url, such as postgres://user@host/database" }}
{{- end }}
{{- if ne (empty .Values.upstream.username) (empty .Values.upstream.passwordSecret.name) }}
{{- fail "upstream.username and upstream.passwordSecret.name go together: set both or none" }}
{{- end }}
{{- end }}

{{- define "pushonce.toml" -}}
[server]
drain_timeout = "{{ int .Values.drainTimeoutSeconds }}s"
{{- if .Values.tls.secret }}
tls_certificate = "/run/secrets/tls/tls.crt"
tls_key = "/run/secrets/tls/tls.key"
{{- end }}

[upstream]
url = {{ toRawJson .Values.upstream.url }}
{{- if .Values.upstream.username }}
username = {{ toRawJson .Values.upstream.username }}
password_file = "/run/secrets/upstream/password"
{{- end }}

[ledger]
url = {{ include "pushonce.ledger" . | toRawJson }}
witness = {{ include "pushonce.witness" . | trim | toRawJson }}
{{- if and (eq .Values.ledger.kind "postgres") .Values.ledger.passwordSecret.name }}
password_file = "/run/secrets/ledger/password"
{{- end }}

[admin]
listen = "0.0.0.0:9090"
token_file = "/run/secrets/admin/token"
{{- with .Values.extraConfig }}

{{ . | trim }}
{{- end }}
{{ end }}

{{- /* A Secret with one key, as a volume: (list NAME SECRET FILE). */ -}}
{{- define "pushonce.secret" -}}
- name: {{ index . 0 }}
  secret:
    secretName: {{ (index . 1).name | quote }}
    defaultMode: 0440
    items:
      - {key: {{ (index . 1).key | quote }}, path: {{ index . 2 }}}
{{- end }}
