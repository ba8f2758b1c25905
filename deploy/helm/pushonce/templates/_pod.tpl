{{- define "pushonce.pod" -}}
metadata:
  labels: {{- include "pushonce.labels" . | nindent 4 }}
  annotations:
    # The policy is read again by itself; the rest at a start only.
    checksum/pushonce.toml: {{ include "pushonce.toml" . | sha256sum }}
spec:
  automountServiceAccountToken: false
  enableServiceLinks: false
  # Longer than `server.drain_timeout`, so that running pushes finish.
  terminationGracePeriodSeconds: {{ add .Values.drainTimeoutSeconds 10 }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 65532
    runAsGroup: 65532
    fsGroup: 65532
    fsGroupChangePolicy: OnRootMismatch
    seccompProfile: {type: RuntimeDefault}
  {{- with .Values.image.pullSecrets }}
  imagePullSecrets: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if eq .Values.ledger.kind "postgres" }}
  topologySpreadConstraints:
    - maxSkew: 1
      topologyKey: kubernetes.io/hostname
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels: {{- include "pushonce.selector" . | nindent 10 }}
  {{- end }}
  containers:
    - name: pushonce
      image: "{{ .Values.image.repository }}{{ with .Values.image.digest }}@{{ . }}{{ else }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}"
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      env:
        # The image sets these two, and variables override the file.
        - {name: PUSHONCE_LEDGER__URL, value: {{ include "pushonce.ledger" . | quote }}}
        - {name: PUSHONCE_LEDGER__WITNESS, value: {{ include "pushonce.witness" . | trim | quote }}}
        {{- range $name, $value := .Values.env }}
        - {name: {{ $name | quote }}, value: {{ $value | quote }}}
        {{- end }}
      ports:
        - {name: registry, containerPort: 5000}
        - {name: admin, containerPort: 9090}
      startupProbe:
        httpGet: {path: /livez, port: admin}
        periodSeconds: 2
        failureThreshold: 60
      livenessProbe:
        httpGet: {path: /livez, port: admin}
        timeoutSeconds: 5
      readinessProbe:
        httpGet: {path: /readyz, port: admin}
        periodSeconds: 5
        timeoutSeconds: 5
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities: {drop: [ALL]}
      resources: {{- toYaml .Values.resources | nindent 8 }}
      volumeMounts:
        # A directory and no single file: only so do changes of the policy arrive.
        - {name: config, mountPath: /etc/pushonce, readOnly: true}
        - {name: ledger, mountPath: /var/lib/pushonce}
        - {name: admin-token, mountPath: /run/secrets/admin, readOnly: true}
        {{- if .Values.upstream.username }}
        - {name: upstream-password, mountPath: /run/secrets/upstream, readOnly: true}
        {{- end }}
        {{- if and (eq .Values.ledger.kind "postgres") .Values.ledger.passwordSecret.name }}
        - {name: ledger-password, mountPath: /run/secrets/ledger, readOnly: true}
        {{- end }}
        {{- if .Values.tls.secret }}
        - {name: tls, mountPath: /run/secrets/tls, readOnly: true}
        {{- end }}
        {{- with .Values.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
  volumes:
    - name: config
      configMap: {name: {{ include "pushonce.name" . }}}
    {{- include "pushonce.secret" (list "admin-token" .Values.admin.tokenSecret "token") | nindent 4 }}
    {{- if .Values.upstream.username }}
    {{- include "pushonce.secret" (list "upstream-password" .Values.upstream.passwordSecret "password") | nindent 4 }}
    {{- end }}
    {{- if eq .Values.ledger.kind "postgres" }}
    # The witness alone; what the tags mean is in the database.
    - name: ledger
      emptyDir: {sizeLimit: 16Mi}
    {{- if .Values.ledger.passwordSecret.name }}
    {{- include "pushonce.secret" (list "ledger-password" .Values.ledger.passwordSecret "password") | nindent 4 }}
    {{- end }}
    {{- end }}
    {{- with .Values.tls.secret }}
    - name: tls
      secret: {secretName: {{ . | quote }}, defaultMode: 0440}
    {{- end }}
    {{- with .Values.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}
