{{- define "packyard.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* Short enough for "-worker-interactive" behind it. A Service has the strictest rule for names. */}}
{{- define "packyard.fullname" -}}
{{- $name := .Values.fullnameOverride }}
{{- if not $name }}
{{- $name = .Release.Name }}
{{- if not (contains (include "packyard.name" .) $name) }}{{ $name = printf "%s-%s" $name (include "packyard.name" .) }}{{ end }}
{{- if not (regexMatch "^[a-z][-a-z0-9]*$" $name) }}
{{- fail (printf "release %s: a Service cannot have a name that begins with a digit or has a dot; set fullnameOverride" .Release.Name) }}
{{- end }}
{{- end }}
{{- $name | trunc 43 | trimSuffix "-" }}
{{- end }}

{{- define "packyard.selector" -}}
app.kubernetes.io/name: {{ include "packyard.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{/* The labels that the chart gives by itself; further ones may not replace them. */}}
{{- define "packyard.ownLabels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "packyard.selector" . }}
app.kubernetes.io/version: {{ regexReplaceAll "^[^A-Za-z0-9]+|[^A-Za-z0-9]+$" (.Values.image.tag | default .Chart.AppVersion | trunc 63) "" | quote }}
app.kubernetes.io/part-of: packyard
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{/* The labels of every object. Those of `commonLabels` are never in a selector, since a selector cannot change. */}}
{{- define "packyard.labels" -}}
{{ include "packyard.labelsAnd" (dict "root" . "labels" dict "place" "") }}
{{- end }}

{{/* The same and further ones, which win over `commonLabels`. Takes root, labels and their place. */}}
{{- define "packyard.labelsAnd" -}}
{{- $common := .root.Values.commonLabels | default dict }}
{{- include "packyard.requireFreeLabels" (dict "labels" $common "place" "commonLabels") }}
{{- include "packyard.requireFreeLabels" (dict "labels" .labels "place" .place) }}
{{- include "packyard.ownLabels" .root }}
{{- with merge (dict) (.labels | default dict) $common }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "packyard.requireFreeLabels" -}}
{{- range $name, $value := .labels }}
{{- if or (hasPrefix "app.kubernetes.io/" $name) (eq $name "helm.sh/chart") }}
{{- fail (printf "%s: %s is the chart's own" $.place $name) }}
{{- end }}
{{- end }}
{{- end }}

{{/*
Additions to a pod: a list of things with a name (`by`, if it is not `name`). Those of one process replace those of all
  processes. Takes root, values (of the process) and key.
*/}}
{{- define "packyard.extraList" -}}
{{- $by := .by | default "name" }}
{{- $own := index .values .key | default list }}
{{- $names := list }}
{{- range $own }}{{ $names = append $names (index . $by) }}{{ end }}
{{- $all := list }}
{{- range index .root.Values .key | default list }}
{{- if not (has (index . $by) $names) }}{{ $all = append $all . }}{{ end }}
{{- end }}
{{- with concat $all $own }}{{ toYaml . }}{{ end }}
{{- end }}

{{/* The same for mappings, such as labels. */}}
{{- define "packyard.extraMap" -}}
{{- with merge (dict) (index .values .key | default dict) (index .root.Values .key | default dict) }}{{ toYaml . }}{{ end }}
{{- end }}

{{/* The labels of a pod: of the chart, of `commonLabels` and of `podLabels`. Takes root, values and component. */}}
{{- define "packyard.podLabels" -}}
{{ include "packyard.ownLabels" .root }}
app.kubernetes.io/component: {{ .component }}
{{- $more := include "packyard.extraMap" (dict "root" .root "values" .values "key" "podLabels") | fromYaml }}
{{- include "packyard.requireFreeLabels" (dict "labels" $more "place" "podLabels") }}
{{- with merge $more (.root.Values.commonLabels | default dict) }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Further variables of a container; one that the chart sets itself is refused. Takes root, values, own (its variables). */}}
{{- define "packyard.extraEnv" -}}
{{- $places := dict "DATABASE_URL" "database" "BROKER_URL" "broker" "MANAGEMENT_URL" "broker" "STORAGE_URL" "storage.url" "SECRET_KEYS" "webhooks" "EXTERNAL_URL" "externalUrl" "DRAIN" "api.drain" "FINISH_WITHIN" "api.terminationGracePeriodSeconds" "HOST" "settings.HOST" "PORT" "" "HEALTH_PORT" "" }}
{{- $own := list }}
{{- range .own | fromYamlArray }}{{ $own = append $own .name }}{{ end }}
{{- $extra := include "packyard.extraList" (dict "root" .root "values" .values "key" "extraEnv") }}
{{- range $extra | fromYamlArray }}
{{- $setting := .name | trimPrefix "PACKYARD_" | trimSuffix "_FILE" }}
{{- if and (hasPrefix "PACKYARD_" .name) (hasKey $places $setting) }}
{{- $place := index $places $setting }}
{{- fail (printf "extraEnv: %s is the chart's own%s" .name (ternary (printf ", set %s" $place) ", and fixed" (ne $place ""))) }}
{{- else if or (has .name $own) (has (printf "PACKYARD_%s" $setting) $own) }}
{{- fail (printf "extraEnv: %s is set by the chart already" .name) }}
{{- end }}
{{- end }}
{{- $extra }}
{{- end }}

{{/* Variables from whole Secrets and ConfigMaps: the credentials of the store, and those that you add. */}}
{{- define "packyard.envFrom" -}}
{{- $from := list }}
{{- if .storage }}
{{- with .root.Values.storage.credentialsSecret }}{{ $from = append $from (dict "secretRef" (dict "name" .)) }}{{ end }}
{{- end }}
{{- $from = concat $from (.root.Values.extraEnvFrom | default list) (.values.extraEnvFrom | default list) }}
{{- with $from }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* A duration such as 5s as a number of seconds. */}}
{{- define "packyard.seconds" -}}
{{- $unit := regexFind "[a-z]+$" . }}
{{- mulf (regexFind "^[0-9.]+" . | float64) (index (dict "ms" 0.001 "s" 1.0 "m" 60.0 "h" 3600.0 "d" 86400.0) $unit) }}
{{- end }}

{{/* Refuse early where the cluster lacks a kind. Without a cluster, Helm knows no kinds but groups, and nothing is refused. */}}
{{- define "packyard.requireKind" -}}
{{- $versions := .root.Capabilities.APIVersions }}
{{- if and ($versions.Has "apps/v1/Deployment") (not ($versions.Has .version)) }}
{{- fail (printf "%s needs %s, which this cluster does not have: %s" .place .version .remedy) }}
{{- end }}
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

{{/* Where an address is, as Secret and key: takes root, server, key and made. */}}
{{- define "packyard.addressPath" -}}
{{ include "packyard.secretName" . }}/{{ include "packyard.secretKey" . }}
{{- end }}

{{/*
  Its own addresses and no others, as files: a rotated password is read again, and no environment variable shows it.
  Without its Secret or key a process begins and ends with a line that names both, where the kubelet would only wait.
*/}}
{{- define "packyard.addresses" -}}
{{- $root := .root -}}
{{- $made := .made -}}
{{- $files := list (dict "root" $root "made" $made "server" "database" "key" .database) -}}
{{- if .broker }}{{ $files = append $files (dict "root" $root "made" $made "server" "broker" "key" .broker) }}{{ end -}}
{{- if .management }}{{ $files = append $files (dict "root" $root "made" $made "server" "broker" "key" "management") }}{{ end -}}
- name: addresses
  projected:
    defaultMode: 0440
    sources:
      {{- range $files }}
      - secret:
          name: {{ include "packyard.secretName" . | quote }}
          optional: true
          items:
            - key: {{ include "packyard.secretKey" . | quote }}
              path: {{ include "packyard.addressPath" . }}
      {{- end }}
      {{- if and .secretKeys $root.Values.webhooks.existingSecret }}
      - secret:
          name: {{ $root.Values.webhooks.existingSecret | quote }}
          optional: true
          items:
            - key: {{ $root.Values.webhooks.key | quote }}
              path: {{ $root.Values.webhooks.existingSecret }}/{{ $root.Values.webhooks.key }}
      {{- end }}
{{- end }}

{{/* The settings of one process: where its own addresses are, and what all share. */}}
{{- define "packyard.settings" -}}
- name: PACKYARD_DATABASE_URL_FILE
  value: /run/addresses/{{ include "packyard.addressPath" (dict "root" .root "made" .made "server" "database" "key" .database) }}
{{- if .broker }}
- name: PACKYARD_BROKER_URL_FILE
  value: /run/addresses/{{ include "packyard.addressPath" (dict "root" .root "made" .made "server" "broker" "key" .broker) }}
{{- end }}
{{- if .management }}
- name: PACKYARD_MANAGEMENT_URL_FILE
  value: /run/addresses/{{ include "packyard.addressPath" (dict "root" .root "made" .made "server" "broker" "key" "management") }}
{{- end }}
{{- if and .secretKeys .root.Values.webhooks.existingSecret }}
- name: PACKYARD_SECRET_KEYS_FILE
  value: /run/addresses/{{ .root.Values.webhooks.existingSecret }}/{{ .root.Values.webhooks.key }}
{{- end }}
- name: PACKYARD_STORAGE_URL
  value: {{ include "packyard.storageUrl" .root | quote }}
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

{{- define "packyard.storageUrl" -}}
{{- $url := required "storage.url is needed, such as s3://bucket/prefix" .Values.storage.url }}
{{- if and (hasPrefix "file://" $url) (not .Values.storage.existingClaim) (not .Values.extraVolumeMounts) }}
{{- fail (printf "storage.url: %s is in no volume: set storage.existingClaim" $url) }}
{{- end }}
{{- if and .Values.storage.existingClaim (not (hasPrefix "file://" $url)) }}
{{- fail (printf "storage.existingClaim: goes with file:///path in storage.url only, which is %s" $url) }}
{{- end }}
{{- $url }}
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
    name: {{ . | quote }}
  {{- else }}
  secret:
    secretName: {{ . | quote }}
  {{- end }}
    items:
      - key: {{ $.Values.trust.key | quote }}
        path: ca.crt
{{- end }}
{{- end }}

{{/* Takes root and values. */}}
{{- define "packyard.mounts" -}}
{{- $extra := include "packyard.extraList" (dict "root" .root "values" .values "key" "extraVolumeMounts" "by" "mountPath") }}
{{- with .root }}
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
  {{- with $extra }}
  {{- . | nindent 2 }}
  {{- end }}
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
