//! Contract `cloud` as data.

use crate::contract::{CatalogContract, DomainContract, Field, Kind, ObjectContract, VerbContract};

const fn field(name: &'static str, kind: Kind, required: bool, about: &'static str) -> Field {
    Field { name, kind, required, about }
}

const RULES: Kind = Kind::Maps(&["protocol", "ports", "sources"]);
const FORWARDS: Kind = Kind::Maps(&["protocol", "port", "targetPort"]);

/// The contract as data.
pub const CONTRACT: DomainContract = DomainContract {
    events: None,
    objects: &[
        ObjectContract {
            name: "machine",
            inputs: &[
                field("name", Kind::Text, true, "RFC 1123 label, at most 63 characters, unique"),
                field("region", Kind::Text, true, "the provider's region"),
                field("size", Kind::Text, true, "the provider's size"),
                field("sizeId", Kind::Text, true, "the size's identity, else its name"),
                field("image", Kind::Text, true, "the provider's image"),
                field("sshKeys", Kind::Texts, true, "keys that the provider knows"),
                field("userData", Kind::Text, false, "cloud-init user data, plain text"),
                field("bootData", Kind::Text, false, "user data that installs the public keys too"),
                field("marks", Kind::Texts, true, "what a thing of ours is recognised by"),
                field("tags", Kind::Texts, true, "the user's own tags"),
                field("labels", Kind::Labels, true, "our marks as keys and values"),
            ],
            outputs: &[
                field("id", Kind::Text, true, "the provider's identity"),
                field("state", Kind::State, true, "what it does"),
                field("name", Kind::Text, false, "its name at the provider"),
                field("addresses", Kind::Addresses, false, "its addresses"),
                field("size", Kind::Text, false, "the provider's size"),
                field("region", Kind::Text, false, "the provider's region"),
                field("image", Kind::Text, false, "the provider's image"),
                field("marks", Kind::Texts, false, "its tags, our marks among them"),
            ],
            states: &[
                "Creating", "Running", "Stopping", "Stopped", "Deleting", "Gone", "Failed",
                "Unknown",
            ],
            needs: &["create", "read", "list", "delete"],
            verbs: &[
                VerbContract { name: "start", inputs: &[] },
                VerbContract { name: "stop", inputs: &[] },
                VerbContract { name: "reboot", inputs: &[] },
                VerbContract {
                    name: "resize",
                    inputs: &[
                        field("size", Kind::Text, true, "the provider's size"),
                        field("sizeId", Kind::Text, true, "the size's identity, else its name"),
                    ],
                },
                VerbContract {
                    name: "update",
                    inputs: &[
                        field("marks", Kind::Texts, true, "what a thing of ours is recognised by"),
                        field("tags", Kind::Texts, true, "the user's own tags"),
                    ],
                },
            ],
        },
        ObjectContract {
            name: "sshKey",
            inputs: &[
                field("name", Kind::Text, true, "RFC 1123 label, at most 63 characters, unique"),
                field("region", Kind::Text, true, "the provider's region"),
                field("publicKey", Kind::Text, true, "a public key as OpenSSH writes it, one line"),
                field("marks", Kind::Texts, true, "what a thing of ours is recognised by"),
                field("labels", Kind::Labels, true, "our marks as keys and values"),
            ],
            outputs: &[
                field("id", Kind::Text, true, "what machines name it by"),
                field("name", Kind::Text, false, "its name at the provider"),
                field("marks", Kind::Texts, false, "its tags, our marks among them"),
            ],
            states: &[],
            needs: &["create", "list", "delete"],
            verbs: &[],
        },
        ObjectContract {
            name: "network",
            inputs: &[
                field("name", Kind::Text, true, "RFC 1123 label, at most 63 characters, unique"),
                field("region", Kind::Text, true, "the provider's region"),
                field("cidr", Kind::Text, true, "a private IPv4 range, 10.20.0.0/16"),
                field("marks", Kind::Texts, true, "what a thing of ours is recognised by"),
                field("labels", Kind::Labels, true, "our marks as keys and values"),
            ],
            outputs: &[
                field("id", Kind::Text, true, "the provider's identity"),
                field("name", Kind::Text, false, "its name at the provider"),
                field("cidr", Kind::Text, false, "its range"),
                field("marks", Kind::Texts, false, "its tags, our marks among them"),
            ],
            states: &[],
            needs: &["create", "read", "list", "delete"],
            verbs: &[],
        },
        ObjectContract {
            name: "firewall",
            inputs: &[
                field("name", Kind::Text, true, "RFC 1123 label, at most 63 characters, unique"),
                field("region", Kind::Text, true, "the provider's region"),
                field("rules", RULES, true, "what may come in: protocol, ports, sources"),
                field("machines", Kind::Texts, true, "the machines' identities"),
                field("marks", Kind::Texts, true, "what a thing of ours is recognised by"),
                field("labels", Kind::Labels, true, "our marks as keys and values"),
            ],
            outputs: &[
                field("id", Kind::Text, true, "the provider's identity"),
                field("name", Kind::Text, false, "its name at the provider"),
                field("marks", Kind::Texts, false, "its tags, our marks among them"),
            ],
            states: &[],
            needs: &["create", "read", "list", "delete"],
            verbs: &[],
        },
        ObjectContract {
            name: "address",
            inputs: &[
                field("name", Kind::Text, true, "RFC 1123 label, at most 63 characters, unique"),
                field("region", Kind::Text, true, "the provider's region"),
                field("marks", Kind::Texts, true, "what a thing of ours is recognised by"),
                field("labels", Kind::Labels, true, "our marks as keys and values"),
            ],
            outputs: &[
                field("id", Kind::Text, true, "the provider's identity"),
                field("name", Kind::Text, false, "its name at the provider"),
                field("ip", Kind::Text, false, "its public address"),
                field("marks", Kind::Texts, false, "its tags, our marks among them"),
            ],
            states: &[],
            needs: &["create", "read", "list", "delete"],
            verbs: &[],
        },
        ObjectContract {
            name: "loadBalancer",
            inputs: &[
                field("name", Kind::Text, true, "RFC 1123 label, at most 63 characters, unique"),
                field("region", Kind::Text, true, "the provider's region"),
                field("forwards", FORWARDS, true, "protocol, port, targetPort"),
                field("machines", Kind::Texts, true, "the machines' identities"),
                field("marks", Kind::Texts, true, "what a thing of ours is recognised by"),
                field("labels", Kind::Labels, true, "our marks as keys and values"),
            ],
            outputs: &[
                field("id", Kind::Text, true, "the provider's identity"),
                field("name", Kind::Text, false, "its name at the provider"),
                field("ip", Kind::Text, false, "its public address"),
                field("marks", Kind::Texts, false, "its tags, our marks among them"),
            ],
            states: &[],
            needs: &["create", "read", "list", "delete"],
            verbs: &[],
        },
    ],
    actions: &[],
    catalogs: &[
        CatalogContract {
            name: "sizes",
            columns: &[
                field("name", Kind::Text, true, "the provider's name"),
                field("id", Kind::Text, false, "its identity, where that is not the name"),
                field("cpus", Kind::Int, true, "virtual CPUs"),
                field("memoryMiB", Kind::Int, true, "memory, MiB"),
                field("diskGiB", Kind::Int, false, "local disk, GiB"),
                field("gpus", Kind::Int, false, "GPUs"),
                field("pricePerHour", Kind::Decimal, false, "price per hour"),
                field("currency", Kind::Text, false, "ISO 4217"),
                field("regions", Kind::Texts, false, "where it can be had"),
                field("available", Kind::Bool, false, "whether it may be ordered"),
            ],
        },
        CatalogContract {
            name: "prices",
            columns: &[
                field("size", Kind::Text, true, "the size's name"),
                field("pricePerHour", Kind::Decimal, true, "price per hour while it runs"),
                field("currency", Kind::Text, true, "ISO 4217"),
            ],
        },
        CatalogContract {
            name: "images",
            columns: &[
                field("name", Kind::Text, true, "the provider's name"),
                field("family", Kind::Text, false, "distribution in lower case"),
                field("version", Kind::Text, false, "its version"),
                field("created", Kind::Text, false, "when it was made"),
                field("regions", Kind::Texts, false, "where it can be used"),
            ],
        },
        CatalogContract {
            name: "regions",
            columns: &[
                field("name", Kind::Text, true, "the provider's name"),
                field("title", Kind::Text, false, "what people call it"),
                field("available", Kind::Bool, false, "whether it may be used"),
            ],
        },
    ],
};
