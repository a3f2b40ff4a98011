{{/* What all pods have in common: the Pod Security standard "restricted", and nothing injected. */}}

{{- define "trimtab.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "trimtab.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* Without service links: a Service called trimtab would set TRIMTAB_PORT, which is a setting. */}}
{{- define "trimtab.podStart" -}}
serviceAccountName: {{ include "trimtab.serviceAccount" . | quote }}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  {{- include "trimtab.podSecurity" . | nindent 2 }}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . | quote }}
  {{- end }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- end -}}

{{/* Whether a volume of .Values.volumes is a claim: "true" or nothing. */}}
{{- define "trimtab.isClaim" -}}
{{- if or .existingClaim .create }}true{{ end -}}
{{- end -}}

{{/* A volume that is a claim: (list $ volume name). */}}
{{- define "trimtab.claim" -}}
{{- $root := index . 0 -}}{{- $volume := index . 1 -}}
persistentVolumeClaim:
  claimName: {{ $volume.existingClaim | default (printf "%s-%s" (include "trimtab.fullname" $root) (index . 2)) | quote }}
{{- end -}}

{{/* Whether the model is a folder of the models volume, and may not be written. */}}
{{- define "trimtab.modelIsFolder" -}}
{{- if hasPrefix "/" .Values.model.source }}true{{ end -}}
{{- end -}}

{{/* Where caches are. The models volume keeps what comes from the hub. */}}
{{- define "trimtab.cacheEnv" -}}
{{- $onModels := and (include "trimtab.isClaim" .Values.volumes.models) (not (include "trimtab.modelIsFolder" .)) -}}
- {name: HOME, value: /tmp}
- {name: XDG_CACHE_HOME, value: /cache}
- {name: HF_HOME, value: {{ ternary "/models/huggingface" "/cache/huggingface" (not (empty $onModels)) }}}
- {name: TRITON_CACHE_DIR, value: /cache/triton}
- {name: TORCHINDUCTOR_CACHE_DIR, value: /cache/inductor}
- {name: MPLCONFIGDIR, value: /tmp/matplotlib}
{{- with .Values.model.hubToken }}
{{- if .existingSecret }}
- name: HF_TOKEN
  valueFrom: {secretKeyRef: {name: {{ .existingSecret | quote }}, key: {{ .key | quote }}}}
{{- end }}
{{- end }}
{{- end -}}

{{/* The mounts that loading a model needs. */}}
{{- define "trimtab.modelMounts" -}}
- {name: tmp, mountPath: /tmp}
- {name: cache, mountPath: /cache}
{{- if include "trimtab.isClaim" .Values.volumes.models }}
- {name: models, mountPath: /models, readOnly: {{ include "trimtab.modelIsFolder" . | default "false" }}}
{{- end }}
{{- end -}}

{{- define "trimtab.modelVolumes" -}}
- name: tmp
  emptyDir: {sizeLimit: {{ .Values.volumes.tmpSize }}}
- name: cache
  {{- if include "trimtab.isClaim" .Values.volumes.cache }}
  {{- include "trimtab.claim" (list . .Values.volumes.cache "cache") | nindent 2 }}
  {{- else }}
  emptyDir: {sizeLimit: {{ .Values.volumes.cache.size }}}
  {{- end }}
{{- if include "trimtab.isClaim" .Values.volumes.models }}
- name: models
  {{- include "trimtab.claim" (list . .Values.volumes.models "models") | nindent 2 }}
{{- end }}
{{- if include "trimtab.isClaim" .Values.volumes.vectors }}
- name: vectors
  {{- include "trimtab.claim" (list . .Values.volumes.vectors "vectors") | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Resources with GPUs: (list resources gpus name-of-the-resource). */}}
{{- define "trimtab.resources" -}}
{{- $resources := deepCopy (index . 0) -}}
{{- if gt (int (index . 1)) 0 -}}
{{- $limits := set (default dict $resources.limits) (index . 2) (int (index . 1)) -}}
{{- $resources = set $resources "limits" $limits -}}
{{- end -}}
{{- toYaml $resources -}}
{{- end -}}

{{- define "trimtab.maxTimeoutS" -}}
{{- .Values.settings.max_timeout_s | default 3600 | ceil | int -}}
{{- end -}}

{{/* Whether others than `helm test` reach the service: "true" or nothing. */}}
{{- define "trimtab.isReached" -}}
{{- if or .Values.httpRoute.enabled .Values.ingress.enabled (ne .Values.service.type "ClusterIP") (not .Values.networkPolicy.enabled) .Values.networkPolicy.gateway }}true{{ end -}}
{{- end -}}

{{- define "trimtab.hasKeys" -}}
{{- if or .Values.keys.existingSecret .Values.keys.content }}true{{ end -}}
{{- end -}}
