{{/* Names, labels and the image. */}}

{{- define "rotator.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* (list root suffix longest): the full name with a suffix, shortened before the suffix, so that no two are equal. */}}
{{- define "rotator.named" -}}
{{- $left := sub (index . 2) (len (index . 1) | add1) | int -}}
{{- printf "%s-%s" (include "rotator.fullname" (index . 0) | trunc $left | trimSuffix "-") (index . 1) -}}
{{- end -}}

{{/* A CronJob's name has at most 52 characters: Kubernetes adds 11 for a Job's. */}}
{{- define "rotator.jobName" -}}
{{- include "rotator.named" (list (index . 0) (index . 1) 52) -}}
{{- end -}}

{{- define "rotator.policiesName" -}}
{{- include "rotator.named" (list . "policies" 63) -}}
{{- end -}}

{{- define "rotator.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "rotator.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "rotator.exporterName" -}}
{{- include "rotator.named" (list . "exporter" 63) -}}
{{- end -}}

{{- define "rotator.exporterAccount" -}}
{{- default (include "rotator.exporterName" .) .Values.exporter.serviceAccount.name -}}
{{- end -}}

{{- define "rotator.serveName" -}}
{{- include "rotator.named" (list . "serve" 63) -}}
{{- end -}}

{{- define "rotator.selectorLabels" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{/* (list root component more...): the labels of an object or a pod; ours go before those of the values. */}}
{{- define "rotator.labels" -}}
{{- $root := index . 0 -}}
{{- $ours := include "rotator.selectorLabels" $root | fromYaml -}}
{{- $_ := set $ours "app.kubernetes.io/version" ($root.Chart.AppVersion | replace "+" "_" | trunc 63) -}}
{{- $_ := set $ours "app.kubernetes.io/managed-by" $root.Release.Service -}}
{{- $_ := set $ours "helm.sh/chart" (printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-") -}}
{{- with index . 1 }}{{ $_ := set $ours "app.kubernetes.io/component" . }}{{ end -}}
{{- $others := deepCopy $root.Values.commonLabels -}}
{{- range slice . 2 }}{{ $others = mergeOverwrite $others (default dict .) }}{{ end -}}
{{- mergeOverwrite $others $ours | toYaml -}}
{{- end -}}

{{- define "rotator.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}
