{{/*
A Deployment of one process. Takes a dict of root, component (its name), values (its part of the values),
  database and broker (its keys in the Secrets), and args.
  Optional are env, ports, and scaled: whether something else than the chart decides on the replicas. Then the
  manifest has none at all: Helm would set back what the other did, and one that it leaves out later is 1.
  With spread, no node has more than one pod more than another; without, that is only preferred. With isIdle nothing
  runs until somebody runs a command in it, perhaps without an address in the Secret.
*/}}
{{- define "packyard.deployment" -}}
{{- $place := .component | replace "worker-" "workers." }}
{{- $made := include "packyard.manifestsOfOne" . }}
{{- include "packyard.requireResources" (dict "place" $place "resources" .values.resources) }}
{{- include "packyard.requirePod" (dict "place" $place "spec" (regexSplit "\n---\n" $made 2 | first | fromYaml).spec.template.spec) }}
{{- $made }}
{{- end }}

{{- define "packyard.manifestsOfOne" -}}
{{- $root := .root -}}
{{- $env := include "packyard.processEnv" . -}}
{{- $extraEnv := include "packyard.extraEnv" (dict "root" $root "values" .values "own" $env) -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "packyard.fullname" $root }}-{{ .component }}
  namespace: {{ $root.Release.Namespace | quote }}
  labels:
    {{- include "packyard.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ .component }}
spec:
  {{- if not .scaled }}
  replicas: {{ int64 .values.replicas }}
  {{- end }}
  revisionHistoryLimit: {{ ternary 3 $root.Values.revisionHistoryLimit (kindIs "invalid" $root.Values.revisionHistoryLimit) | int64 }}
  {{- with $root.Values.minReadySeconds }}
  minReadySeconds: {{ int64 . }}
  {{- end }}
  strategy:
    type: RollingUpdate
    rollingUpdate:
      maxSurge: 1
      maxUnavailable: 0
  selector:
    matchLabels:
      {{- include "packyard.selector" $root | nindent 6 }}
      app.kubernetes.io/component: {{ .component }}
  template:
    metadata:
      labels:
        {{- include "packyard.podLabels" . | nindent 8 }}
      {{- $annotations := include "packyard.extraMap" (dict "root" $root "values" .values "key" "podAnnotations") | fromYaml }}
      {{- if not (and $root.Values.database.existingSecret $root.Values.broker.existingSecret) }}
      {{- $addresses := printf "%s %s" $root.Values.database.url $root.Values.broker.url | sha256sum }}
      {{- $annotations = set $annotations "checksum/addresses" $addresses }}
      {{- end }}
      {{- with $annotations }}
      annotations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
    spec:
      serviceAccountName: {{ include "packyard.serviceAccount" $root | quote }}
      automountServiceAccountToken: false
      # Otherwise a Service called packyard would show up as PACKYARD_… settings that nobody knows.
      enableServiceLinks: false
      terminationGracePeriodSeconds: {{ int64 .values.terminationGracePeriodSeconds }}
      {{- with .values.priorityClassName }}
      priorityClassName: {{ . | quote }}
      {{- end }}
      {{- with $root.Values.image.pullSecrets }}
      imagePullSecrets:
        {{- range . }}
        - name: {{ . | quote }}
        {{- end }}
      {{- end }}
      {{- with $root.Values.scheduling.nodeSelector }}
      nodeSelector:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $root.Values.scheduling.tolerations }}
      tolerations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- include "packyard.spread" . | nindent 6 }}
      securityContext:
        {{- include "packyard.podSecurity" $root | nindent 8 }}
      {{- $first := include "packyard.extraList" (dict "root" $root "values" .values "key" "initContainers") }}
      {{- if or $first (not .isIdle) }}
      initContainers:
      {{- end }}
        {{- if not .isIdle }}
        # It waits only: migrations are for the set-up Job, since a pod may be killed at any time. A pod that starts
        # during an outage waits here, in place of ending again and again.
        - name: wait-for-servers
          image: {{ include "packyard.image" $root }}
          imagePullPolicy: {{ $root.Values.image.pullPolicy }}
          args: {{ toJson (concat (list "wait" "--for" $root.Values.waitForSchema.patience) (ternary (list "--broker") (list) (not (empty .broker)))) }}
          env:
            {{- include "packyard.settings" . | nindent 12 }}
            {{- with $extraEnv }}
            {{- . | nindent 12 }}
            {{- end }}
          {{- include "packyard.envFrom" (dict "root" $root "values" .values "storage" true) | nindent 10 }}
          resources:
            {{- toYaml .values.resources | nindent 12 }}
          securityContext:
            {{- include "packyard.containerSecurity" $root | nindent 12 }}
          {{- include "packyard.mounts" . | nindent 10 }}
        {{- end }}
        {{- with $first }}
        {{- . | nindent 8 }}
        {{- end }}
      containers:
        - name: packyard
          image: {{ include "packyard.image" $root }}
          imagePullPolicy: {{ $root.Values.image.pullPolicy }}
          args: {{ toJson .args }}
          env:
            {{- $env | nindent 12 }}
            {{- with $extraEnv }}
            {{- . | nindent 12 }}
            {{- end }}
          {{- include "packyard.envFrom" (dict "root" $root "values" .values "storage" true) | nindent 10 }}
          {{- if not .isIdle }}
          ports:
            - {name: health, containerPort: 9090}
            {{- with .ports }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
          startupProbe:
            httpGet: {path: /-/live, port: health}
            periodSeconds: 2
            failureThreshold: 60
          livenessProbe:
            httpGet: {path: /-/live, port: health}
            periodSeconds: 10
            timeoutSeconds: 5
          # It asks no server: once ready, a pod stays ready through an outage, and answers 503 with Retry-After.
          # A busy node answers late, and must not take away all pods of the Service.
          readinessProbe:
            httpGet: {path: /-/ready, port: health}
            periodSeconds: 5
            timeoutSeconds: 5
            failureThreshold: 2
          {{- end }}
          resources:
            {{- toYaml .values.resources | nindent 12 }}
          securityContext:
            {{- include "packyard.containerSecurity" $root | nindent 12 }}
          {{- include "packyard.mounts" . | nindent 10 }}
        {{- with include "packyard.extraList" (dict "root" $root "values" .values "key" "sidecars") }}
        {{- . | nindent 8 }}
        {{- end }}
      volumes:
        - name: tmp
          emptyDir:
            sizeLimit: 256Mi
        {{- include "packyard.addresses" . | nindent 8 }}
        {{- with include "packyard.trustVolume" $root }}{{ . | trim | nindent 8 }}{{ end }}
        {{- with $root.Values.storage.existingClaim }}
        - name: objects
          persistentVolumeClaim:
            claimName: {{ . | quote }}
        {{- end }}
        {{- with include "packyard.extraList" (dict "root" $root "values" .values "key" "extraVolumes") }}
        {{- . | nindent 8 }}
        {{- end }}
{{- if and $root.Values.podDisruptionBudget.enabled (not .isIdle) }}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ include "packyard.fullname" $root }}-{{ .component }}
  namespace: {{ $root.Release.Namespace | quote }}
  labels:
    {{- include "packyard.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ .component }}
spec:
  maxUnavailable: {{ toJson $root.Values.podDisruptionBudget.maxUnavailable }}
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "packyard.selector" $root | nindent 6 }}
      app.kubernetes.io/component: {{ .component }}
{{- end }}
{{- end }}


{{- define "packyard.processEnv" -}}
{{ include "packyard.settings" . }}
{{- if not .isIdle }}
- name: PACKYARD_HEALTH_PORT
  value: "9090"
{{- end }}
{{- with .env }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/*
Where the pods of one component run. Two soft constraints together spread nothing where nodes lack the label of one of
  them, so that over nodes is never a second one.
*/}}
{{- define "packyard.spread" -}}
{{- $root := .root -}}
{{- $isStrict := and .spread (ne ($root.Values.scheduling.hosts | default "required") "preferred") -}}
{{- $host := "kubernetes.io/hostname" -}}
{{- $affinity := .values.affinity | default $root.Values.affinity | default dict | deepCopy -}}
{{- if not $isStrict }}
{{- $labels := include "packyard.selector" $root | fromYaml | merge (dict "app.kubernetes.io/component" .component) }}
{{- $apart := dict "weight" 100 "podAffinityTerm" (dict "topologyKey" $host "labelSelector" (dict "matchLabels" $labels)) }}
{{- $anti := $affinity.podAntiAffinity | default dict }}
{{- $preferred := append ($anti.preferredDuringSchedulingIgnoredDuringExecution | default list) $apart }}
{{- $anti = set $anti "preferredDuringSchedulingIgnoredDuringExecution" $preferred }}
{{- $affinity = set $affinity "podAntiAffinity" $anti }}
{{- end }}
{{- with $affinity -}}
affinity:
  {{- toYaml . | nindent 2 }}
{{ end }}
{{- $zones := without ($root.Values.scheduling.topologyKeys | default list) $host -}}
{{- if or $isStrict $zones -}}
topologySpreadConstraints:
  {{- if $isStrict }}
  # A node that is drained or lost does not count, or its pods would wait for it.
  - topologyKey: {{ $host }}
    maxSkew: 1
    whenUnsatisfiable: DoNotSchedule
    nodeTaintsPolicy: Honor
    {{- include "packyard.spreadPods" . | nindent 4 }}
  {{- end }}
  {{- range $zones }}
  - topologyKey: {{ . | quote }}
    maxSkew: 1
    whenUnsatisfiable: ScheduleAnyway
    {{- include "packyard.spreadPods" $ | nindent 4 }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "packyard.spreadPods" -}}
labelSelector:
  matchLabels:
    {{- include "packyard.selector" .root | nindent 4 }}
    app.kubernetes.io/component: {{ .component }}
matchLabelKeys: [pod-template-hash]
{{- end }}
