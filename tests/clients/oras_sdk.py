"""The Python SDK of oras as a command: oras_sdk.py push|pull|delete|version NAME ..."""

import hashlib
import importlib.metadata
import sys

import oras.client
import oras.container
import oras.defaults
import oras.oci


def connect():
    return oras.client.OrasClient(insecure=True, tls_verify=False, auth_backend="basic")


def push(name, path, *options):
    """`chunked` sends the layer in pieces of 1000 bytes; `subject=NAME` refers to an image."""
    client, more = connect(), {}
    for option in options:
        if option == "chunked":
            more |= {"do_chunked": True, "chunk_size": 1000}
        else:
            subject = fetch(client, option.removeprefix("subject="))
            digest, size = digest_of(subject), len(subject.content)
            more["subject"] = oras.oci.Subject(subject.headers["Content-Type"], digest, size)
    answer = client.push(target=name, files=[path], disable_path_validation=True, **more)
    print(answer.headers["Docker-Content-Digest"])


def pull(name, directory):
    """Fetches all files, and prints the digest of the manifest."""
    client = connect()
    client.pull(target=name, outdir=directory)
    print(digest_of(fetch(client, name)))


def delete(name):
    container = oras.container.Container(name)
    if not connect().delete_tag(container, container.tag):
        sys.exit("not found")


def fetch(client, name):
    container = oras.container.Container(name)
    client.auth.load_configs(container)
    accept = ", ".join(oras.defaults.default_manifest_accepted_media_types)
    answer = client.do_request(f"{client.prefix}://{container.manifest_url()}", "GET", headers={"Accept": accept})
    client._check_200_response(answer)
    return answer


def digest_of(answer):
    return "sha256:" + hashlib.sha256(answer.content).hexdigest()


def version():
    print(importlib.metadata.version("oras"))


if __name__ == "__main__":
    {"push": push, "pull": pull, "delete": delete, "version": version}[sys.argv[1]](*sys.argv[2:])
