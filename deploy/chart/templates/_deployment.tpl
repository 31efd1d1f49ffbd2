{{/*
A Deployment of one process. Takes a dict of root, component (its name), values (its part of the values),
  database and broker (its keys in the Secrets), and args.
  Optional are env, ports, and scaled (whether an autoscaler decides on the replicas).
*/}}
{{- define "packyard.deployment" -}}
{{- $root := .root -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "packyard.fullname" $root }}-{{ .component }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "packyard.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ .component }}
spec:
  {{- if not .scaled }}
  replicas: {{ int64 .values.replicas }}
  {{- end }}
  revisionHistoryLimit: 3
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
        {{- include "packyard.labels" $root | nindent 8 }}
        app.kubernetes.io/component: {{ .component }}
      {{- if not (and $root.Values.database.existingSecret $root.Values.broker.existingSecret) }}
      annotations:
        checksum/addresses: {{ printf "%s %s" $root.Values.database.url $root.Values.broker.url | sha256sum }}
      {{- end }}
    spec:
      serviceAccountName: {{ include "packyard.serviceAccount" $root }}
      automountServiceAccountToken: false
      # Otherwise a Service called packyard would show up as PACKYARD_… settings that nobody knows.
      enableServiceLinks: false
      terminationGracePeriodSeconds: {{ int64 .values.terminationGracePeriodSeconds }}
      {{- with .values.priorityClassName }}
      priorityClassName: {{ . }}
      {{- end }}
      {{- with $root.Values.image.pullSecrets }}
      imagePullSecrets:
        {{- range . }}
        - name: {{ . }}
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
      {{- with $root.Values.scheduling.topologyKeys }}
      topologySpreadConstraints:
        {{- range . }}
        - topologyKey: {{ . }}
          maxSkew: 1
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels:
              {{- include "packyard.selector" $root | nindent 14 }}
              app.kubernetes.io/component: {{ $.component }}
          matchLabelKeys: [pod-template-hash]
        {{- end }}
      {{- end }}
      securityContext:
        {{- include "packyard.podSecurity" $root | nindent 8 }}
      initContainers:
        # It waits only: migrations are for the set-up Job, since a pod may be killed at any time. A pod that starts
        # during an outage waits here, in place of ending again and again.
        - name: wait-for-servers
          image: {{ include "packyard.image" $root }}
          imagePullPolicy: {{ $root.Values.image.pullPolicy }}
          args: {{ toJson (concat (list "wait" "--for" $root.Values.waitForSchema.patience) (ternary (list "--broker") (list) (not (empty .broker)))) }}
          env:
            {{- include "packyard.settings" . | nindent 12 }}
          {{- include "packyard.storageCredentials" $root | nindent 10 }}
          resources:
            {{- toYaml .values.resources | nindent 12 }}
          securityContext:
            {{- include "packyard.containerSecurity" $root | nindent 12 }}
          {{- include "packyard.mounts" $root | nindent 10 }}
      containers:
        - name: packyard
          image: {{ include "packyard.image" $root }}
          imagePullPolicy: {{ $root.Values.image.pullPolicy }}
          args: {{ toJson .args }}
          env:
            {{- include "packyard.settings" . | nindent 12 }}
            - name: PACKYARD_HEALTH_PORT
              value: "9090"
            {{- with .env }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
          {{- include "packyard.storageCredentials" $root | nindent 10 }}
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
          readinessProbe:
            httpGet: {path: /-/ready, port: health}
            periodSeconds: 5
            timeoutSeconds: 2
            failureThreshold: 2
          resources:
            {{- toYaml .values.resources | nindent 12 }}
          securityContext:
            {{- include "packyard.containerSecurity" $root | nindent 12 }}
          {{- include "packyard.mounts" $root | nindent 10 }}
      volumes:
        - name: tmp
          emptyDir:
            sizeLimit: 256Mi
        {{- include "packyard.addresses" . | nindent 8 }}
        {{- with include "packyard.trustVolume" $root }}{{ . | trim | nindent 8 }}{{ end }}
        {{- with $root.Values.storage.existingClaim }}
        - name: objects
          persistentVolumeClaim:
            claimName: {{ . }}
        {{- end }}
{{- if $root.Values.podDisruptionBudget.enabled }}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ include "packyard.fullname" $root }}-{{ .component }}
  namespace: {{ $root.Release.Namespace }}
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
