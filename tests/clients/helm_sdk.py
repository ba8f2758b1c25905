"""helm's own code as a command: helm_sdk.py package|push|pull|login|version ..."""

import os
import sys

import helm_python as helm


def connect():
    return helm.RegistryClient(plain_http=True, credentials_file=os.path.join(os.environ["HOME"], "helm.json"))


def package(chart, directory):
    print(helm.package(chart, destination=directory))


def push(archive, remote):
    with connect() as client:
        client.push(archive, remote, plain_http=True)


def pull(name, version, directory):
    """Fetches a chart, and prints the digest of its manifest."""
    with connect() as client:
        client.pull("oci://" + name, version=version, destination=directory, plain_http=True)
        print(client.resolve(f"{name}:{version}")["digest"])


def login(address, user, password):
    with connect() as client:
        client.login(address, user, password, plain_http=True)


def version():
    print(helm.helm_sdk_version())


if __name__ == "__main__":
    commands = {"package": package, "push": push, "pull": pull, "login": login, "version": version}
    commands[sys.argv[1]](*sys.argv[2:])
