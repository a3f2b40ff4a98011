{{/* Names and labels. */}}

{{- define "trimtab.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "trimtab.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "trimtab.name" . -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* What the pods of one component are chosen by: (list $ "service"). */}}
{{- define "trimtab.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ include "trimtab.name" $root }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* The labels of one component's objects: (list $ "service"). */}}
{{- define "trimtab.labels" -}}
{{- $root := index . 0 -}}
{{ include "trimtab.selector" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
{{- with $root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "trimtab.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "trimtab.fullname" .) -}}
{{- else -}}
{{- .Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end -}}

{{/* The image: (list $ gpus). One that was built for the CPU is some gigabytes smaller. */}}
{{- define "trimtab.image" -}}
{{- $root := index . 0 -}}
{{- $image := $root.Values.image -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $image.repository $image.digest -}}
{{- else -}}
{{- $version := $root.Chart.AppVersion -}}
{{- $built := ternary $version (printf "%s-cpu" $version) (gt (int (index . 1)) 0) -}}
{{- printf "%s:%s" $image.repository ($image.tag | default $built) -}}
{{- end -}}
{{- end -}}
