{{/* Name of the operator's objects. At most 40 characters, so that names derived from it fit. */}}
{{- define "kluster.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- printf "%s-operator" (.Release.Name | trunc 31 | trimSuffix "-") -}}
{{- else -}}
{{- printf "%s-%s-operator" (.Release.Name | trunc 15 | trimSuffix "-") ($name | trunc 15 | trimSuffix "-") -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Name of objects that belong to no namespace: two releases must not share them. */}}
{{- define "kluster.clusterName" -}}
{{- printf "%s.%s" .Release.Namespace (include "kluster.fullname" .) -}}
{{- end -}}

{{/* What a selector may name: never changes in the life of a release. */}}
{{- define "kluster.selectorLabels" -}}
app.kubernetes.io/name: kluster-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "kluster.labels" -}}
{{ include "kluster.selectorLabels" . }}
app.kubernetes.io/component: operator
app.kubernetes.io/part-of: kluster
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end -}}

{{- define "kluster.image" -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
