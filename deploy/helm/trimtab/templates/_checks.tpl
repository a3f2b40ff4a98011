{{/* What a schema cannot say: values that do not go together. Each names the cure. */}}
{{- define "trimtab.checks" -}}
{{- $v := .Values -}}
{{- $most := ternary (int $v.autoscaling.maxReplicas) (int $v.replicas) (ne $v.autoscaling.kind "none") -}}
{{- if and (gt $most 1) (eq $v.redis.mode "none") -}}
{{- fail (printf "%d replicas share no state: jobs of one are unknown to the others, and each counts fairness alone. Set redis.mode to external, or to bundled for a trial; or have one replica." $most) -}}
{{- end -}}
{{- if and (eq $v.redis.mode "external") (not (or $v.redis.url $v.redis.existingSecret)) -}}
{{- fail "redis.mode is external, and there is no address. Set redis.url, or redis.existingSecret to a Secret that has it." -}}
{{- end -}}
{{- if and $v.redis.url $v.redis.existingSecret -}}
{{- fail "redis.url and redis.existingSecret are both set. Keep one of the two." -}}
{{- end -}}
{{- if and (ne $v.redis.mode "external") (or $v.redis.url $v.redis.existingSecret) -}}
{{- fail (printf "There is an address of a Redis, and redis.mode is %s. Set redis.mode to external." $v.redis.mode) -}}
{{- end -}}
{{- if and $v.keys.existingSecret $v.keys.content -}}
{{- fail "keys.existingSecret and keys.content are both set. Keep one of the two." -}}
{{- end -}}
{{- if and (include "trimtab.hasKeys" .) $v.access.anonymous -}}
{{- fail "access.anonymous would get round the keys. Set it to false, or leave the keys out." -}}
{{- end -}}
{{- if and (include "trimtab.isReached" .) (not (include "trimtab.hasKeys" .)) (not $v.access.anonymous) -}}
{{- fail "Others would reach a service without keys. Set keys.existingSecret or keys.content (make them with 'trimtab keys create'); or access.anonymous to true where whoever reaches it may generate." -}}
{{- end -}}
{{- if and $v.settings.tenants (not (include "trimtab.hasKeys" .)) -}}
{{- fail "settings.tenants: without keys nobody is one of them. Set keys.existingSecret or keys.content." -}}
{{- end -}}
{{- if and $v.policies $v.existingPolicies -}}
{{- fail "policies and existingPolicies are both set. Keep one of the two." -}}
{{- end -}}
{{- if and (include "trimtab.modelIsFolder" .) (not (include "trimtab.isClaim" $v.volumes.models)) (not $v.extraVolumeMounts) -}}
{{- fail (printf "model.source: the folder %s is on no volume. Set volumes.models.existingClaim, or volumes.models.create." $v.model.source) -}}
{{- end -}}
{{- range $name, $volume := dict "models" $v.volumes.models "vectors" $v.volumes.vectors "cache" $v.volumes.cache -}}
{{- if and $volume.existingClaim $volume.create -}}
{{- fail (printf "volumes.%s: existingClaim and create are both set. Keep one of the two." $name) -}}
{{- end -}}
{{- end -}}
{{- if gt (float64 $v.shutdown.drainDelayS) (float64 $v.shutdown.graceS) -}}
{{- fail (printf "shutdown.drainDelayS: %v seconds are more than the whole graceS, %v. Raise the one or lower the other." $v.shutdown.drainDelayS $v.shutdown.graceS) -}}
{{- end -}}
{{- if gt (float64 ($v.settings.timeout_s | default 300)) (float64 (include "trimtab.maxTimeoutS" .)) -}}
{{- fail "settings.timeout_s is more than settings.max_timeout_s. Raise the one or lower the other." -}}
{{- end -}}
{{- if and (eq (toString $v.strategy.maxSurge) "0") (eq (toString $v.strategy.maxUnavailable) "0") -}}
{{- fail "strategy: with maxSurge 0 and maxUnavailable 0 no pod is ever replaced. Set one of them to 1." -}}
{{- end -}}
{{- if ne $v.autoscaling.kind "none" -}}
{{- if gt (int $v.autoscaling.minReplicas) (int $v.autoscaling.maxReplicas) -}}
{{- fail "autoscaling.minReplicas is more than maxReplicas. Raise the one or lower the other." -}}
{{- end -}}
{{- if and (eq (int $v.autoscaling.minReplicas) 0) (not (and (eq $v.autoscaling.kind "keda") $v.autoscaling.keda.jobs.enabled)) -}}
{{- fail "autoscaling.minReplicas: only jobs can wake a service of no replicas. Set it to 1, or autoscaling.kind to keda and autoscaling.keda.jobs.enabled." -}}
{{- end -}}
{{- end -}}
{{- if eq $v.autoscaling.kind "keda" -}}
{{- if not (or $v.autoscaling.keda.requests.enabled $v.autoscaling.keda.jobs.enabled) -}}
{{- fail "autoscaling.keda: there is nothing to scale on. Enable requests, jobs or both." -}}
{{- end -}}
{{- if and $v.autoscaling.keda.jobs.enabled (eq $v.redis.mode "none") -}}
{{- fail "autoscaling.keda.jobs: jobs are counted in Redis, and there is none. Set redis.mode." -}}
{{- end -}}
{{- if and $v.autoscaling.keda.jobs.enabled (eq $v.redis.mode "external") (not $v.autoscaling.keda.jobs.address) -}}
{{- fail "autoscaling.keda.jobs.address: KEDA reads no address from a Secret. Set it to the Redis's host:port." -}}
{{- end -}}
{{- end -}}
{{- if and $v.httpRoute.enabled (not $v.httpRoute.parentRefs) -}}
{{- fail "httpRoute.parentRefs: a route needs a gateway. Set [{name: ..., namespace: ...}]." -}}
{{- end -}}
{{- if and $v.ingress.enabled (not $v.ingress.hosts) -}}
{{- fail "ingress.hosts: an Ingress needs a name. Set [images.example.com]." -}}
{{- end -}}
{{- if and (or $v.httpRoute.enabled $v.ingress.enabled) $v.networkPolicy.enabled (not $v.networkPolicy.gateway) -}}
{{- fail "networkPolicy.gateway: the route's gateway would be kept out. Set the peers that it comes from, or networkPolicy.enabled to false." -}}
{{- end -}}
{{- if and $v.serviceMonitor.enabled $v.networkPolicy.enabled (not $v.networkPolicy.metrics) -}}
{{- fail "networkPolicy.metrics: Prometheus would be kept out. Set the peers that it comes from, or networkPolicy.enabled to false." -}}
{{- end -}}
{{- if $v.learner.enabled -}}
{{- if not $v.learner.name -}}
{{- fail "learner.name: a run needs one, by which it goes on where it was interrupted. Set it, such as woman-1." -}}
{{- end -}}
{{- if not (or $v.learner.args $v.learner.concepts) -}}
{{- fail "learner: say what to learn, by learner.args, such as [--pos, a photo of a woman, --neg, a photo of a person], or by learner.concepts." -}}
{{- end -}}
{{- if not (include "trimtab.isClaim" $v.volumes.vectors) -}}
{{- fail "learner: what is learned is published to the vectors volume, and there is none. Set volumes.vectors.existingClaim or volumes.vectors.create." -}}
{{- end -}}
{{- end -}}
{{- range $name := concat $v.alerts.disabled (keys $v.alerts.overrides) -}}
{{- $known := include "trimtab.alertNames" $ | splitList "\n" -}}
{{- if not (has $name $known) -}}
{{- fail (printf "alerts: there is no alert %s. Choose from %s." $name (join ", " $known)) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "trimtab.alertNames" -}}
{{- $names := list -}}
{{- range (.Files.Get "alerts/trimtab.yaml" | fromYaml).groups -}}
{{- range .rules -}}{{- $names = append $names .alert -}}{{- end -}}
{{- end -}}
{{- join "\n" $names -}}
{{- end -}}
