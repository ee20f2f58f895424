{{/* What the jobs must be allowed to do, by namespace: {namespace: {what: {name: true}}}. */}}

{{/* (list access namespace what name): note one thing. */}}
{{- define "rotator.access.note" -}}
{{- $access := index . 0 -}}{{- $namespace := index . 1 -}}{{- $what := index . 2 -}}
{{- if not (hasKey $access $namespace) }}{{ $_ := set $access $namespace (dict) }}{{ end -}}
{{- $here := get $access $namespace -}}
{{- if not (hasKey $here $what) }}{{ $_ := set $here $what (dict) }}{{ end -}}
{{- $_ := set (get $here $what) (index . 3) true -}}
{{- end -}}

{{/* (list access namespace declared): what a verifier or a holder that may restart workloads needs for that. */}}
{{- define "rotator.access.restart" -}}
{{- $access := index . 0 -}}{{- $namespace := index . 1 -}}{{- $restart := (index . 2).restart -}}
{{- if kindIs "map" $restart -}}
{{- include "rotator.access.note" (list $access $namespace "pods" "all") -}}
{{- $workloads := default "auto" $restart.workloads -}}
{{- if kindIs "slice" $workloads -}}
{{- range $workloads -}}
{{- include "rotator.access.note" (list $access $namespace (printf "%ss" (lower (default "Deployment" .kind))) .name) -}}
{{- end -}}
{{- else -}}
{{- include "rotator.access.note" (list $access $namespace "workloads" "all") -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* (list access home rotation): what one rotation needs. */}}
{{- define "rotator.access.rotation" -}}
{{- $access := index . 0 -}}{{- $home := index . 1 -}}{{- $rotation := index . 2 -}}{{- $spec := $rotation.spec -}}
{{- include "rotator.access.note" (list $access $home "home" "yes") -}}
{{- include "rotator.access.note" (list $access $home "leases" (printf "rotation-%s" $rotation.name)) -}}
{{- if kindIs "map" (get $spec.store "kubernetes") -}}
{{- include "rotator.access.note" (list $access $home "secrets" (printf "rotation-%s" $rotation.name)) -}}
{{- end -}}
{{- with $spec.takeOver }}{{ with .secret -}}
{{- include "rotator.access.note" (list $access $home "readSecrets" .name) -}}
{{- end }}{{ end -}}
{{- range $verifier := $spec.verifiers -}}
{{- range $declared := $verifier -}}
{{- if kindIs "map" $declared -}}
{{- $auth := default (dict) $declared.auth -}}
{{- $client := default (dict) $auth.client -}}
{{- $bind := default (dict) $declared.bind -}}
{{- range $source := list $declared.token $auth.token $client.secret $client.key $bind.password -}}
{{- if kindIs "map" $source }}{{ with $source.secret -}}
{{- include "rotator.access.note" (list $access $home "readSecrets" .name) -}}
{{- end }}{{ end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $place := default (dict) (coalesce $verifier.jwks $verifier.pem $verifier.acceptedList $verifier.static) -}}
{{- $namespace := default $home $place.namespace -}}
{{- with $place.configMap }}{{ include "rotator.access.note" (list $access $namespace "configMaps" .) }}{{ end -}}
{{- with $place.secret }}{{ include "rotator.access.note" (list $access $namespace "secrets" .) }}{{ end -}}
{{- if or $place.configMap $place.secret }}{{ include "rotator.access.note" (list $access $namespace "pods" "all") }}{{ end -}}
{{- if and $verifier.jwks (kindIs "map" (get $verifier.jwks "served")) -}}
{{- include "rotator.access.note" (list $access $home "leases" (printf "serving-%s" $rotation.name)) -}}
{{- include "rotator.access.note" (list $access $home "deletedLeases" (printf "serving-%s" $rotation.name)) -}}
{{- end -}}
{{- include "rotator.access.restart" (list $access $namespace $verifier) -}}
{{- with $verifier.gateway }}{{ with .service -}}
{{- include "rotator.access.note" (list $access (default $home .namespace) "endpointSlices" "all") -}}
{{- end }}{{ end -}}
{{- with $verifier.istio -}}
{{- include "rotator.access.note" (list $access (default $home .namespace) "requestAuthentications" .requestAuthentication) -}}
{{- end -}}
{{- with $verifier.kong -}}
{{- $namespace := default $home .namespace -}}
{{- include "rotator.access.note" (list $access $namespace "kongConsumers" .consumer) -}}
{{- range $slot := list "0" "1" "2" -}}
{{- $name := printf "kong-%s-%s" $rotation.name $slot -}}
{{- include "rotator.access.note" (list $access $namespace "secrets" $name) -}}
{{- include "rotator.access.note" (list $access $namespace "deletedSecrets" $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $holder := $spec.holders -}}
{{- if $holder.secret -}}
{{- range $namespace := default (list $home) $holder.secret.namespaces -}}
{{- include "rotator.access.note" (list $access $namespace "secrets" $holder.secret.name) -}}
{{- include "rotator.access.note" (list $access $namespace "pods" "all") -}}
{{- include "rotator.access.restart" (list $access $namespace $holder) -}}
{{- end -}}
{{- else -}}
{{- include "rotator.access.restart" (list $access $home $holder) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Everything, as JSON. */}}
{{- define "rotator.access" -}}
{{- $access := dict -}}
{{- range .Values.rotations -}}
{{- include "rotator.access.rotation" (list $access (include "rotator.home" (list $ .)) .) -}}
{{- end -}}
{{- if .Values.customResources.enabled -}}
{{- range (include "rotator.resourcesIn" . | fromJson).namespaces -}}
{{- include "rotator.access.note" (list $access . "home" "yes") -}}
{{- include "rotator.access.note" (list $access . "resources" "all") -}}
{{- end -}}
{{- range $target := .Values.customResources.targets -}}
{{- range .rotations -}}
{{- include "rotator.access.note" (list $access $target.namespace "rotations" .) -}}
{{- include "rotator.access.note" (list $access $target.namespace "leases" (printf "rotation-%s" .)) -}}
{{- end -}}
{{- range .secrets }}{{ include "rotator.access.note" (list $access $target.namespace "secrets" .) }}{{ end -}}
{{- range .readSecrets }}{{ include "rotator.access.note" (list $access $target.namespace "readSecrets" .) }}{{ end -}}
{{- range .configMaps }}{{ include "rotator.access.note" (list $access $target.namespace "configMaps" .) }}{{ end -}}
{{- range .served }}{{ include "rotator.access.note" (list $access $target.namespace "leases" (printf "serving-%s" .)) }}{{ end -}}
{{- range .served }}{{ include "rotator.access.note" (list $access $target.namespace "deletedLeases" (printf "serving-%s" .)) }}{{ end -}}
{{- if .restarts }}{{ include "rotator.access.restart" (list $access $target.namespace (dict "restart" (dict))) }}{{ end -}}
{{- if $.Values.customResources.allowDeletion -}}
{{- range .rotations }}{{ include "rotator.access.note" (list $access $target.namespace "deletedLeases" (printf "rotation-%s" .)) }}{{ end -}}
{{- range .secrets }}{{ include "rotator.access.note" (list $access $target.namespace "deletedSecrets" .) }}{{ end -}}
{{- range .configMaps }}{{ include "rotator.access.note" (list $access $target.namespace "deletedConfigMaps" .) }}{{ end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $access | toJson -}}
{{- end -}}

{{/* (list group resources verbs names): one rule; without names it is for all of them. */}}
{{- define "rotator.rule" -}}
{{- $names := index . 3 }}
- apiGroups: [{{ index . 0 | quote }}]
  resources: [{{ index . 1 | join ", " }}]
  verbs: [{{ index . 2 | join ", " }}]
  {{- if $names }}
  resourceNames: [{{ range $at, $name := keys $names | sortAlpha }}{{ if $at }}, {{ end }}{{ quote $name }}{{ end }}]
  {{- end }}
{{- end -}}

{{/* (list root here): the rules of one namespace. */}}
{{- define "rotator.rules" -}}
{{- $root := index . 0 -}}{{- $here := index . 1 -}}
{{- $leases := "coordination.k8s.io" -}}
{{- $write := list "get" "create" "patch" -}}
{{- if $here.home }}{{ include "rotator.rule" (list $leases (list "leases") (list "list") nil) }}{{ end -}}
{{- with $here.leases }}{{ include "rotator.rule" (list $leases (list "leases") $write .) }}{{ end -}}
{{- with $here.secrets }}{{ include "rotator.rule" (list "" (list "secrets") $write .) }}{{ end -}}
{{- $readOnly := dict -}}
{{- range $name, $_ := $here.readSecrets -}}
{{- if not (hasKey (default dict $here.secrets) $name) }}{{ $_ := set $readOnly $name true }}{{ end -}}
{{- end -}}
{{- with $readOnly }}{{ include "rotator.rule" (list "" (list "secrets") (list "get") .) }}{{ end -}}
{{- with $here.configMaps -}}
{{- if has "configmaps" $root.Values.rbac.list }}{{ include "rotator.rule" (list "" (list "configmaps") (list "list") nil) }}{{ end -}}
{{- include "rotator.rule" (list "" (list "configmaps") $write .) -}}
{{- end -}}
{{- if $here.workloads -}}
{{- include "rotator.rule" (list "apps" (list "deployments" "statefulsets" "daemonsets") (list "list" "get" "patch") nil) -}}
{{- include "rotator.rule" (list "argoproj.io" (list "rollouts") (list "list" "get" "patch") nil) -}}
{{- end -}}
{{- range $kind := list "deployments" "statefulsets" "daemonsets" "rollouts" -}}
{{- with get $here $kind -}}
{{- include "rotator.rule" (list (eq $kind "rollouts" | ternary "argoproj.io" "apps") (list $kind) (list "get" "patch") .) -}}
{{- end -}}
{{- end -}}
{{- if $here.endpointSlices }}{{ include "rotator.rule" (list "discovery.k8s.io" (list "endpointslices") (list "list") nil) }}{{ end -}}
{{- with $here.requestAuthentications }}{{ include "rotator.rule" (list "security.istio.io" (list "requestauthentications") (list "get" "patch") .) }}{{ end -}}
{{- with $here.kongConsumers }}{{ include "rotator.rule" (list "configuration.konghq.com" (list "kongconsumers") (list "get" "patch") .) }}{{ end -}}
{{- if $here.pods }}{{ include "rotator.rule" (list "" (list "pods") (list "list") nil) }}{{ end -}}
{{- if and $here.home $root.Values.events }}{{ include "rotator.rule" (list "" (list "events") (list "create") nil) }}{{ end -}}
{{- if $here.resources }}{{ include "rotator.rule" (list "rotator.dev" (list "rotations") (list "list") nil) }}{{ end -}}
{{- with $here.rotations -}}
{{- $verbs := $root.Values.customResources.allowDeletion | ternary (list "get" "patch") (list "get") -}}
{{- include "rotator.rule" (list "rotator.dev" (list "rotations") $verbs .) -}}
{{- include "rotator.rule" (list "rotator.dev" (list "rotations/status") (list "patch") .) -}}
{{- end -}}
{{- with $here.deletedLeases }}{{ include "rotator.rule" (list $leases (list "leases") (list "delete") .) }}{{ end -}}
{{- with $here.deletedSecrets }}{{ include "rotator.rule" (list "" (list "secrets") (list "delete") .) }}{{ end -}}
{{- with $here.deletedConfigMaps }}{{ include "rotator.rule" (list "" (list "configmaps") (list "delete") .) }}{{ end -}}
{{- with $here.extra }}
{{ toYaml . }}
{{- end -}}
{{- end -}}
