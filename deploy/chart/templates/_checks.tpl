{{/*
Kubernetes refuses a pod with two volumes or containers of one name, with two mounts at one path, or with a mount of
  no volume. Additions may bring them. Takes place (of the component in the values) and spec.
*/}}
{{- define "packyard.requirePod" -}}
{{- $place := .place }}
{{- $volumes := list }}
{{- range .spec.volumes }}
{{- if has .name $volumes }}{{ fail (printf "extraVolumes: a pod of %s has a volume %s already" $place .name) }}{{ end }}
{{- $volumes = append $volumes .name }}
{{- end }}
{{- $containers := list }}
{{- range concat (.spec.initContainers | default list) .spec.containers }}
{{- $container := .name }}
{{- if has .name $containers }}
{{- fail (printf "sidecars and initContainers: a pod of %s has a container %s already" $place .name) }}
{{- end }}
{{- $containers = append $containers .name }}
{{- $paths := list }}
{{- range .volumeMounts }}
{{- if has .mountPath $paths }}
{{- fail (printf "extraVolumeMounts: container %s of %s has one at %s already" $container $place .mountPath) }}
{{- end }}
{{- $paths = append $paths .mountPath }}
{{- if not (has .name $volumes) }}
{{- fail (printf "extraVolumeMounts: a pod of %s has no volume %s, see extraVolumes" $place .name) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* No request may be above its limit. Takes place and resources. */}}
{{- define "packyard.requireResources" -}}
{{- $place := .place }}
{{- $limits := .resources.limits | default dict }}
{{- range $what, $request := pick (.resources.requests | default dict) "cpu" "memory" }}
{{- $limit := get $limits $what }}
{{- if and $limit (gt (include "packyard.quantity" $request | float64) (include "packyard.quantity" $limit | float64)) }}
{{- fail (printf "%s.resources.requests.%s: %v is more than the limit, %v" $place $what $request $limit) }}
{{- end }}
{{- end }}
{{- end }}

{{/* A quantity such as 100m or 256Mi as a number. */}}
{{- define "packyard.quantity" -}}
{{- $text := toString . }}
{{- $unit := regexFind "[A-Za-z]+$" $text }}
{{- $units := dict "" 1.0 "m" 0.001 "M" 1e6 "G" 1e9 "T" 1e12 "Mi" 1048576.0 "Gi" 1073741824.0 "Ti" 1099511627776.0 }}
{{- mulf (trimSuffix $unit $text | float64) (index $units $unit) }}
{{- end }}

{{/*
The ports of an address, of which there may be several hosts, are open in a NetworkPolicy; else its process would wait
  without a reason. Takes root, place and url of the address, policy (its name), and usual (the port of one without).
*/}}
{{- define "packyard.requirePorts" -}}
{{- $open := list }}
{{- range (index .root.Values.networkPolicy .policy).ports }}{{ $open = append $open (int .) }}{{ end }}
{{- $authority := regexFind "^[a-z]+://[^/?#]*" (.url | default "") }}
{{- $place := .place }}{{ $policy := .policy }}{{ $usual := .usual }}
{{- range regexReplaceAll "^[a-z]+://(.*@)?" $authority "" | splitList "," | compact }}
{{- $port := regexFind ":[0-9]+$" . | trimPrefix ":" | default (toString $usual) | int }}
{{- if and $port (not (has $port $open)) }}
{{- fail (printf "%s: port %d is not in networkPolicy.%s.ports, so nothing would reach it" $place $port $policy) }}
{{- end }}
{{- end }}
{{- end }}
