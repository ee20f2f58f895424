{{/* What is declared. */}}

{{/* Whether anything is: "yes", or empty. */}}
{{- define "rotator.declared" -}}
{{- if or .Values.rotations .Values.existingConfigMaps .Values.customResources.enabled -}}yes{{- end -}}
{{- end -}}

{{/* (list root rotation): the namespace of a rotation. */}}
{{- define "rotator.home" -}}
{{- default (index . 0).Release.Namespace (index . 1).namespace -}}
{{- end -}}

{{/* The namespaces in which custom resources are read, as a JSON object with a list. */}}
{{- define "rotator.resourcesIn" -}}
{{- $found := list -}}
{{- if .Values.customResources.enabled -}}
{{- $found = default (list .Release.Namespace) .Values.customResources.namespaces -}}
{{- end -}}
{{- dict "namespaces" ($found | uniq | sortAlpha) | toJson -}}
{{- end -}}

{{/* Refuses what a schema cannot see. */}}
{{- define "rotator.check" -}}
{{- $seen := dict -}}
{{- range $rotation := .Values.rotations -}}
{{- $ref := printf "%s/%s" (include "rotator.home" (list $ $rotation)) $rotation.name -}}
{{- if hasKey $seen $ref }}{{ fail (printf "rotations: %s is declared twice" $ref) }}{{ end -}}
{{- $_ := set $seen $ref true -}}
{{- $places := list $rotation.spec.store -}}
{{- range $rotation.spec.verifiers }}{{ $places = append $places (default dict (default .acceptedList .jwks)) }}{{ end -}}
{{- range $rotation.spec.holders }}{{ $places = append $places . }}{{ end -}}
{{- with $rotation.spec.takeOver }}{{ $places = append $places . }}{{ end -}}
{{- range $places -}}
{{- if and .vault (not $.Values.vault.address) -}}
{{- fail (printf "rotations: %s uses Vault, but vault.address is empty; expected as https://vault.vault:8200" $ref) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and .Values.vault.ca.secret .Values.vault.ca.configMap -}}
{{- fail "vault.ca: expected secret or configMap, not both" -}}
{{- end -}}
{{- end -}}

{{/* The policy files, by name. */}}
{{- define "rotator.policyFiles" -}}
{{- range $rotation := .Values.rotations }}
{{- $home := include "rotator.home" (list $ $rotation) }}
{{- $metadata := merge (dict "namespace" $home) (omit $rotation "spec") }}
{{ printf "%s.%s.yaml" $home $rotation.name }}: |
  ---
  apiVersion: rotator.dev/v1alpha1
  kind: Rotation
  metadata:
    {{- toYaml $metadata | nindent 4 }}
  spec:
    {{- toYaml $rotation.spec | nindent 4 }}
{{- end }}
{{- end -}}
