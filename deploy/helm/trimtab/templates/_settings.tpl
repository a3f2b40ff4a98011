{{/* The variables that the service reads its settings by: those that the chart knows of, and the file with all others. */}}
{{- define "trimtab.env" -}}
- {name: TRIMTAB_CONFIG, value: /etc/trimtab/settings/trimtab.yaml}
- {name: TRIMTAB_HOST, value: 0.0.0.0}
- {name: TRIMTAB_PORT, value: "8000"}
- {name: TRIMTAB_MODEL, value: {{ .Values.model.source | quote }}}
- {name: TRIMTAB_DEVICE, value: {{ ternary "cuda" "cpu" (gt (int .Values.gpu.count) 0) }}}
- {name: TRIMTAB_GRACE_S, value: {{ .Values.shutdown.graceS | quote }}}
- {name: TRIMTAB_DRAIN_DELAY_S, value: {{ .Values.shutdown.drainDelayS | quote }}}
{{- if include "trimtab.isClaim" .Values.volumes.vectors }}
- {name: TRIMTAB_VECTORS, value: /vectors}
{{- end }}
{{- if or .Values.policies .Values.existingPolicies }}
- {name: TRIMTAB_POLICY_FOLDER, value: /etc/trimtab/policies}
{{- end }}
{{- if include "trimtab.hasKeys" . }}
- {name: TRIMTAB_KEYS, value: {{ printf "/etc/trimtab/keys/%s" .Values.keys.secretKey | quote }}}
{{- else }}
- {name: TRIMTAB_ALLOW_ANONYMOUS, value: "true"}
{{- end }}
{{- if ne .Values.redis.mode "none" }}
- name: TRIMTAB_REDIS_URL
  valueFrom: {secretKeyRef: {name: {{ include "trimtab.redisSecret" . | quote }}, key: {{ include "trimtab.redisSecretKey" . | quote }}}}
{{- end }}
{{- end -}}

{{/* The file of all other settings. JSON is YAML, in which no Helm writes a large number as 1e+09. */}}
{{- define "trimtab.settingsFile" -}}
{{- toPrettyJson .Values.settings -}}
{{- end -}}

{{- define "trimtab.redisSecret" -}}
{{- .Values.redis.existingSecret | default (printf "%s-redis" (include "trimtab.fullname" .)) -}}
{{- end -}}

{{- define "trimtab.redisSecretKey" -}}
{{- ternary .Values.redis.secretKey "redis-url" (not (empty .Values.redis.existingSecret)) -}}
{{- end -}}
