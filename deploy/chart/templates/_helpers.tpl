{{- define "packyard.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* Short enough for "-worker-interactive" behind it. */}}
{{- define "packyard.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 43 | trimSuffix "-" }}
{{- else if contains (include "packyard.name" .) .Release.Name }}
{{- .Release.Name | trunc 43 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "packyard.name" .) | trunc 43 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "packyard.selector" -}}
app.kubernetes.io/name: {{ include "packyard.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "packyard.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "packyard.selector" . }}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: packyard
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "packyard.image" -}}
{{- if .Values.image.digest }}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) }}
{{- end }}
{{- end }}

{{- define "packyard.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}
{{- .Values.serviceAccount.name | default (include "packyard.fullname" .) }}
{{- else }}
{{- .Values.serviceAccount.name | default "default" }}
{{- end }}
{{- end }}

{{/* The Secret with the address of a server for one process: takes root, server, key and made (the Secret of this chart). */}}
{{- define "packyard.secretName" -}}
{{- (index .root.Values .server).existingSecret | default (printf "%s-%s" (include "packyard.fullname" .root) (.made | default "addresses")) }}
{{- end }}

{{- define "packyard.secretKey" -}}
{{- $server := index .root.Values .server -}}
{{- if $server.existingSecret }}{{ index $server.keys .key }}{{ else if eq .key "management" }}management{{ else }}{{ .server }}{{ end }}
{{- end }}

{{/* Its own addresses and no others, as files: a rotated password is read again, and no environment variable shows it. */}}
{{- define "packyard.addresses" -}}
{{- $root := .root -}}
{{- $made := .made -}}
{{- $files := list (dict "server" "database" "key" .database "path" "database") -}}
{{- if .broker }}{{ $files = append $files (dict "server" "broker" "key" .broker "path" "broker") }}{{ end -}}
{{- if .management }}{{ $files = append $files (dict "server" "broker" "key" "management" "path" "management") }}{{ end -}}
- name: addresses
  projected:
    defaultMode: 0440
    sources:
      {{- range $files }}
      - secret:
          name: {{ include "packyard.secretName" (dict "root" $root "server" .server "made" $made) }}
          items:
            - key: {{ include "packyard.secretKey" (dict "root" $root "server" .server "key" .key) }}
              path: {{ .path }}
      {{- end }}
      {{- if and .secretKeys $root.Values.webhooks.existingSecret }}
      - secret:
          name: {{ $root.Values.webhooks.existingSecret }}
          items:
            - key: {{ $root.Values.webhooks.key }}
              path: secret-keys
      {{- end }}
{{- end }}

{{/* The settings of one process: where its own addresses are, and what all share. */}}
{{- define "packyard.settings" -}}
- name: PACKYARD_DATABASE_URL_FILE
  value: /run/addresses/database
{{- if .broker }}
- name: PACKYARD_BROKER_URL_FILE
  value: /run/addresses/broker
{{- else }}
# It never talks to the broker, so it gets no address of it.
- name: PACKYARD_BROKER_URL
  value: amqp://unused.invalid
{{- end }}
{{- if and .secretKeys .root.Values.webhooks.existingSecret }}
- name: PACKYARD_SECRET_KEYS_FILE
  value: /run/addresses/secret-keys
{{- end }}
- name: PACKYARD_STORAGE_URL
  value: {{ required "storage.url is needed, such as s3://bucket/prefix" .root.Values.storage.url | quote }}
{{- with .root.Values.externalUrl }}
- name: PACKYARD_EXTERNAL_URL
  value: {{ . | quote }}
{{- end }}
{{- range $name, $value := .root.Values.settings }}
- name: PACKYARD_{{ $name }}
  {{- /* As JSON writes it: a number of a values file would come as 1e+06. */}}
  value: {{ ternary $value (toJson $value) (kindIs "string" $value) | quote }}
{{- end }}
{{- with include "packyard.trustSettings" .root }}{{ . }}{{ end }}
{{- end }}

{{- define "packyard.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities:
  drop: [ALL]
{{- end }}

{{- define "packyard.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ int64 .Values.podSecurity.user }}
runAsGroup: {{ int64 .Values.podSecurity.group }}
fsGroup: {{ int64 .Values.podSecurity.group }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{/* Credentials of the object store, for each process that reads or writes objects. */}}
{{- define "packyard.storageCredentials" -}}
{{- with .Values.storage.credentialsSecret }}
envFrom:
  - secretRef:
      name: {{ . }}
{{- end }}
{{- end }}

{{/* Certificate authorities of one's own, for PostgreSQL, RabbitMQ and the bucket; those of the image stay good beside them. */}}
{{- define "packyard.trustedFrom" -}}
{{- with .Values.trust }}
{{- if and .configMap .secret }}{{ fail "trust.configMap and trust.secret are both set: one is enough" }}{{ end }}
{{- .configMap | default .secret }}
{{- end }}
{{- end }}

{{- define "packyard.trustSettings" -}}
{{- if include "packyard.trustedFrom" . }}
- name: SSL_CERT_FILE
  value: /run/trust/ca.crt
- name: SSL_CERT_DIR
  value: /etc/ssl/certs
- name: PGSSLROOTCERT
  value: /run/trust/ca.crt
{{- end }}
{{- end }}

{{- define "packyard.trustMount" -}}
{{- if include "packyard.trustedFrom" . }}
- name: trust
  mountPath: /run/trust
  readOnly: true
{{- end }}
{{- end }}

{{- define "packyard.trustVolume" -}}
{{- with include "packyard.trustedFrom" . }}
- name: trust
  {{- if $.Values.trust.configMap }}
  configMap:
    name: {{ . }}
  {{- else }}
  secret:
    secretName: {{ . }}
  {{- end }}
    items:
      - key: {{ $.Values.trust.key }}
        path: ca.crt
{{- end }}
{{- end }}

{{- define "packyard.mounts" -}}
volumeMounts:
  - name: tmp
    mountPath: /tmp
  - name: addresses
    mountPath: /run/addresses
    readOnly: true
  {{- with include "packyard.trustMount" . }}{{ . | trim | nindent 2 }}{{ end }}
  {{- if .Values.storage.existingClaim }}
  - name: objects
    mountPath: {{ trimPrefix "file://" .Values.storage.url }}
  {{- end }}
{{- end }}

{{/* Where the directory file is: empty without one. An upgrade with --reuse-values may have no such value at all. */}}
{{- define "packyard.directoryFrom" -}}
{{- with .Values.directory }}
{{- if gt (len (compact (list .content .existingSecret .existingConfigMap))) 1 }}
{{- fail "directory.content, directory.existingSecret and directory.existingConfigMap: one is enough" }}
{{- end }}
{{- if .content }}{{ include "packyard.fullname" $ }}-directory{{ else }}{{ .existingSecret | default .existingConfigMap }}{{ end }}
{{- if and (compact (list .content .existingSecret .existingConfigMap)) (not $.Values.setUp.enabled) }}
{{- fail "directory needs setUp.enabled: the set-up applies it" }}
{{- end }}
{{- end }}
{{- end }}
