// SPDX-License-Identifier: Apache-2.0

/// What the twenty real packs ask for, read once by another YAML reader (PyYAML) and reviewed by eye: the reader must find
/// exactly this.
struct ExpectedPack: Sendable {
    let folder: String
    /// `<name>:<version>`.
    let pack: String
    /// `nil` where the pack has no list.
    let images: [String]?
    /// `<repo> <name> <version>`.
    var charts: [String] = []

    static let all: [ExpectedPack] = [
        ExpectedPack(
            folder: "antrea-1.9.0", pack: "antrea:1.9.0",
            images: nil
        ),
        ExpectedPack(
            folder: "appdynamics-operators-1.22.374", pack: "cisco-appdynamics-operators:1.22.374",
            images: [
                "appdynamics/appdynamics-cloud-operator:24.7.0-1475"
            ],
            charts: [
                "https://appdynamics.jfrog.io/artifactory/appdynamics-cloud-helmcharts/ appdynamics-operators 1.22.374"
            ]
        ),
        ExpectedPack(
            folder: "cks-kubebench-0.16.7", pack: "kubebench:0.16.7",
            images: nil
        ),
        ExpectedPack(
            folder: "crossplane-1.20.0", pack: "crossplane:1.20.0",
            images: [
                "xpkg.upbound.io/crossplane/crossplane:v1.20.0"
            ]
        ),
        ExpectedPack(
            folder: "crossplane-2.0.2", pack: "crossplane:2.0.2",
            images: [
                "xpkg.upbound.io/crossplane/crossplane:v2.0.2"
            ]
        ),
        ExpectedPack(
            folder: "csi-driver-nfs", pack: "csi-driver-nfs:4.13.2",
            images: [
                "registry.k8s.io/sig-storage/nfsplugin:v4.13.2",
                "registry.k8s.io/sig-storage/csi-provisioner:v6.1.0",
                "registry.k8s.io/sig-storage/csi-resizer:v2.0.0",
                "registry.k8s.io/sig-storage/csi-snapshotter:v8.4.0",
                "registry.k8s.io/sig-storage/livenessprobe:v2.17.0",
                "registry.k8s.io/sig-storage/csi-node-driver-registrar:v2.15.0",
                "registry.k8s.io/sig-storage/snapshot-controller:v8.4.0",
            ]
        ),
        ExpectedPack(
            folder: "elastic-stack-0.18.2", pack: "elastic-stack:0.18.2",
            images: [
                "docker.elastic.co/kibana/kibana:9.3.0",
                "docker.elastic.co/elasticsearch/elasticsearch:9.3.0",
                "docker.elastic.co/logstash/logstash:9.3.0",
                "docker.elastic.co/beats/filebeat:9.3.0",
                "docker.io/curlimages/curl:8.19.0",
            ],
            charts: ["https://helm.elastic.co/ eck-stack 0.18.2"]
        ),
        ExpectedPack(
            folder: "elastic-stack-0.19.0", pack: "elastic-stack:0.19.0",
            images: [
                "docker.elastic.co/kibana/kibana:9.3.0",
                "docker.elastic.co/elasticsearch/elasticsearch:9.3.0",
                "docker.elastic.co/logstash/logstash:9.3.0",
                "docker.elastic.co/beats/filebeat:9.3.0",
                "docker.io/curlimages/curl:8.19.0",
            ],
            charts: ["https://helm.elastic.co/ eck-stack 0.19.0"]
        ),
        ExpectedPack(
            folder: "external-snapshotter-4.0.1", pack: "external-snapshotter:4.0.1",
            images: nil
        ),
        ExpectedPack(
            folder: "fluentbit-5.0.5", pack: "fluentbit:5.0.5",
            images: [
                "cr.fluentbit.io/fluent/fluent-bit:5.0.5"
            ],
            charts: ["https://fluentbit.io/ fluent-bit 5.0.5"]
        ),
        ExpectedPack(
            folder: "hello-universe-1.3.0", pack: "hello-universe:1.3.0",
            images: [
                "ghcr.io/spectrocloud/hello-universe:1.3.0",
                "ghcr.io/spectrocloud/hello-universe:1.3.0-proxy",
                "ghcr.io/spectrocloud/hello-universe-api:1.1.1",
                "ghcr.io/spectrocloud/hello-universe-db:1.1.0",
            ]
        ),
        ExpectedPack(
            folder: "hello-universe-1.3.1", pack: "hello-universe:1.3.1",
            images: [
                "ghcr.io/spectrocloud/hello-universe:1.3.2",
                "ghcr.io/spectrocloud/hello-universe:1.3.2-proxy",
                "ghcr.io/spectrocloud/hello-universe-api:1.1.1",
                "ghcr.io/spectrocloud/hello-universe-db:1.1.0",
            ]
        ),
        ExpectedPack(
            folder: "kubehunter-1.0.3", pack: "kubehunter:1.0.3",
            images: nil
        ),
        ExpectedPack(
            folder: "kyverno-1.12.2", pack: "kyverno:1.12.2",
            images: [
                "ghcr.io/kyverno/background-controller:v1.12.2",
                "ghcr.io/kyverno/kyvernopre:v1.12.2",
                "ghcr.io/kyverno/cleanup-controller:v1.12.2",
                "ghcr.io/kyverno/reports-controller:v1.12.2",
                "ghcr.io/kyverno/kyverno-cli:v1.12.2",
                "ghcr.io/kyverno/kyverno:v1.12.2",
            ]
        ),
        ExpectedPack(
            folder: "piraeus-operator-2.8.1", pack: "piraeus-operator:2.8.1",
            images: [
                "quay.io/piraeusdatastore/piraeus-operator:v2.8.1",
                "quay.io/piraeusdatastore/piraeus-server:v1.31.0",
                "quay.io/piraeusdatastore/piraeus-csi:v1.7.1",
                "quay.io/piraeusdatastore/drbd-reactor:v1.8.0",
                "quay.io/piraeusdatastore/piraeus-ha-controller:v1.3.0",
                "quay.io/piraeusdatastore/drbd-shutdown-guard:v1.0.0",
                "quay.io/piraeusdatastore/ktls-utils:v0.11",
                "quay.io/piraeusdatastore/drbd9-centos7:v9.2.13",
                "quay.io/piraeusdatastore/drbd9-almalinux8:v9.2.13",
                "quay.io/piraeusdatastore/drbd9-almalinux9:v9.2.13",
                "quay.io/piraeusdatastore/drbd9-bionic:v9.2.13",
                "quay.io/piraeusdatastore/drbd9-focal:v9.2.13",
                "quay.io/piraeusdatastore/drbd9-jammy:v9.2.13",
                "quay.io/piraeusdatastore/drbd9-noble:v9.2.13",
                "quay.io/piraeusdatastore/drbd9-bookworm:v9.2.13",
                "quay.io/piraeusdatastore/drbd9-bullseye:v9.2.13",
                "quay.io/piraeusdatastore/drbd9-buster:v9.2.13",
                "registry.k8s.io/sig-storage/csi-attacher:v4.8.1",
                "registry.k8s.io/sig-storage/livenessprobe:v2.15.0",
                "registry.k8s.io/sig-storage/csi-provisioner:v5.2.0",
                "registry.k8s.io/sig-storage/csi-snapshotter:v8.2.1",
                "registry.k8s.io/sig-storage/csi-resizer:v1.13.2",
                "registry.k8s.io/sig-storage/csi-external-health-monitor-controller:v0.14.0",
                "registry.k8s.io/sig-storage/csi-node-driver-registrar:v2.13.0",
                "us-docker.pkg.dev/palette-images/packs/csi-piraeus-operator/2.8.1/linstor-gui:v1.9.5",
                "gcr.io/kubebuilder/kube-rbac-proxy:v0.13.1",
            ]
        ),
        ExpectedPack(
            folder: "piraeus-operator-2.9.0", pack: "piraeus-operator:2.9.0",
            images: [
                "quay.io/piraeusdatastore/piraeus-operator:v2.9.0",
                "quay.io/piraeusdatastore/piraeus-server:v1.31.2",
                "quay.io/piraeusdatastore/piraeus-csi:v1.8.0",
                "quay.io/piraeusdatastore/drbd-reactor:v1.8.0",
                "quay.io/piraeusdatastore/piraeus-ha-controller:v1.3.0",
                "quay.io/piraeusdatastore/drbd-shutdown-guard:v1.0.0",
                "quay.io/piraeusdatastore/ktls-utils:v1.1.0",
                "quay.io/piraeusdatastore/drbd9-almalinux8:v9.2.14",
                "quay.io/piraeusdatastore/drbd9-almalinux9:v9.2.14",
                "quay.io/piraeusdatastore/drbd9-almalinux10:v9.2.14",
                "quay.io/piraeusdatastore/drbd9-jammy:v9.2.14",
                "quay.io/piraeusdatastore/drbd9-noble:v9.2.14",
                "quay.io/piraeusdatastore/drbd9-bookworm:v9.2.14",
                "quay.io/piraeusdatastore/drbd9-bullseye:v9.2.14",
                "registry.k8s.io/sig-storage/csi-attacher:v4.9.0",
                "registry.k8s.io/sig-storage/livenessprobe:v2.16.0",
                "registry.k8s.io/sig-storage/csi-provisioner:v5.3.0",
                "registry.k8s.io/sig-storage/csi-snapshotter:v8.2.1",
                "registry.k8s.io/sig-storage/csi-resizer:v1.13.2",
                "registry.k8s.io/sig-storage/csi-external-health-monitor-controller:v0.15.0",
                "registry.k8s.io/sig-storage/csi-node-driver-registrar:v2.14.0",
                "us-docker.pkg.dev/palette-images/packs/csi-piraeus-operator/2.8.1/linstor-gui:v1.9.5",
                "gcr.io/kubebuilder/kube-rbac-proxy:v0.13.1",
            ]
        ),
        ExpectedPack(
            folder: "piraeus-operator-addon-2.9.0", pack: "piraeus-operator-addon:2.9.0",
            images: [
                "quay.io/piraeusdatastore/piraeus-operator:v2.9.0",
                "quay.io/piraeusdatastore/piraeus-server:v1.31.2",
                "quay.io/piraeusdatastore/piraeus-csi:v1.8.0",
                "quay.io/piraeusdatastore/drbd-reactor:v1.8.0",
                "quay.io/piraeusdatastore/piraeus-ha-controller:v1.3.0",
                "quay.io/piraeusdatastore/drbd-shutdown-guard:v1.0.0",
                "quay.io/piraeusdatastore/ktls-utils:v1.1.0",
                "quay.io/piraeusdatastore/drbd9-almalinux8:v9.2.14",
                "quay.io/piraeusdatastore/drbd9-almalinux9:v9.2.14",
                "quay.io/piraeusdatastore/drbd9-almalinux10:v9.2.14",
                "quay.io/piraeusdatastore/drbd9-jammy:v9.2.14",
                "quay.io/piraeusdatastore/drbd9-noble:v9.2.14",
                "quay.io/piraeusdatastore/drbd9-bookworm:v9.2.14",
                "quay.io/piraeusdatastore/drbd9-bullseye:v9.2.14",
                "registry.k8s.io/sig-storage/csi-attacher:v4.9.0",
                "registry.k8s.io/sig-storage/livenessprobe:v2.16.0",
                "registry.k8s.io/sig-storage/csi-provisioner:v5.3.0",
                "registry.k8s.io/sig-storage/csi-snapshotter:v8.2.1",
                "registry.k8s.io/sig-storage/csi-resizer:v1.13.2",
                "registry.k8s.io/sig-storage/csi-external-health-monitor-controller:v0.15.0",
                "registry.k8s.io/sig-storage/csi-node-driver-registrar:v2.14.0",
                "us-docker.pkg.dev/palette-images/packs/csi-piraeus-operator/2.8.1/linstor-gui:v1.9.5",
                "gcr.io/kubebuilder/kube-rbac-proxy:v0.13.1",
            ]
        ),
        ExpectedPack(
            folder: "spegel-0.7.2", pack: "spegel:0.7.2",
            images: [
                "ghcr.io/spegel-org/spegel@sha256:2c587a649b1b9b61d09e1e42901da5f34b2ab187247acb23086de3fad504a49c"
            ]
        ),
        ExpectedPack(
            folder: "vmo-ns-mgmt-1.0.3", pack: "vmo-ns-mgmt:1.0.3",
            images: []
        ),
        ExpectedPack(
            folder: "vsphere_noprovisioner_csi_1.0.0", pack: "csi-vsphere-noprovisioner:1.0.0",
            images: [
                "gcr.io/spectro-images-public/cloud-provider-vsphere/cpi/release/manager:v1.22.8",
                "gcr.io/spectro-images-public/cloud-provider-vsphere/cpi/release/manager:v1.23.4",
                "gcr.io/spectro-images-public/cloud-provider-vsphere/cpi/release/manager:v1.24.5",
                "gcr.io/spectro-images-public/cloud-provider-vsphere/cpi/release/manager:v1.25.3",
                "gcr.io/spectro-images-public/cloud-provider-vsphere/cpi/release/manager:v1.26.2",
                "gcr.io/spectro-images-public/packs/csi-vsphere-csi/3.3.1/cpi-manager:v1.27.0",
                "gcr.io/spectro-images-public/packs/csi-vsphere-csi/3.3.1/cpi-manager:v1.28.0",
                "gcr.io/spectro-images-public/packs/csi-vsphere-csi/3.3.1/cpi-manager:v1.29.0",
                "gcr.io/spectro-images-public/packs/csi-vsphere-csi/3.3.1/cpi-manager:v1.30.0",
            ]
        ),
    ]
}
