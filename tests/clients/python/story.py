"""What an ordinary program with PyPI's `kubernetes` does: list, create, patch, watch, delete.

Finds the server through $KUBECONFIG; says "ok" at the end.
"""
import threading

from kubernetes import client, config, watch
from kubernetes.client.rest import ApiException

WHERE = {"group": "usvc-dev.developer.microsoft.com", "version": "v1"}
KIND = {**WHERE, "plural": "executables"}


def executable(name, path="/bin/true"):
    return {
        "apiVersion": f"{WHERE['group']}/{WHERE['version']}",
        "kind": "Executable",
        "metadata": {"name": name, "labels": {"client": "python"}},
        "spec": {"executablePath": path, "start": False},
    }


def refused(code, call, *args, **more):
    try:
        call(*args, **more)
    except ApiException as error:
        assert error.status == code, (error.status, error.body)
        return error
    raise AssertionError(f"{code} was expected")


def main():
    config.load_kube_config()
    api = client.CustomObjectsApi()

    groups = client.ApisApi().get_api_versions().groups
    assert WHERE["group"] in [group.name for group in groups]
    assert client.VersionApi().get_code().major == "1"

    made = api.create_cluster_custom_object(**KIND, body=executable("py-a"))
    assert made["metadata"]["uid"] and made["metadata"]["generation"] == 1
    refused(409, api.create_cluster_custom_object, **KIND, body=executable("py-a"))
    refused(422, api.create_cluster_custom_object, **KIND, body=executable("Not A Name"))
    refused(404, api.get_cluster_custom_object, **KIND, name="py-none")

    listed = api.list_cluster_custom_object(**KIND, label_selector="client=python", limit=1)
    assert [item["metadata"]["name"] for item in listed["items"]] == ["py-a"]
    start = listed["metadata"]["resourceVersion"]

    # A dictionary goes out as a merge patch of custom objects, a list as a JSON patch.
    api.patch_cluster_custom_object(**KIND, name="py-a", body={"spec": {"args": ["1"]}}, _content_type="application/merge-patch+json")
    patched = api.patch_cluster_custom_object(
        **KIND,
        name="py-a",
        body=[{"op": "add", "path": "/spec/args/-", "value": "2"}],
        _content_type="application/json-patch+json",
    )
    assert patched["spec"]["args"] == ["1", "2"]

    stale = dict(patched)
    stale["metadata"] = dict(patched["metadata"], resourceVersion=made["metadata"]["resourceVersion"])
    refused(409, api.replace_cluster_custom_object, **KIND, name="py-a", body=stale)

    status = api.patch_cluster_custom_object_status(
        **KIND, name="py-a", body={"status": {"state": "Running"}}, _content_type="application/merge-patch+json"
    )
    assert status["status"]["state"] == "Running"
    assert status["metadata"]["generation"] == patched["metadata"]["generation"]

    seen = []

    def follow():
        stream = watch.Watch()
        for event in stream.stream(
            api.list_cluster_custom_object,
            **KIND,
            label_selector="client=python",
            resource_version=start,
            timeout_seconds=20,
        ):
            seen.append((event["type"], event["object"]["metadata"]["name"]))
            if event["type"] == "DELETED":
                stream.stop()

    follower = threading.Thread(target=follow)
    follower.start()
    gone = api.delete_cluster_custom_object(**KIND, name="py-a", body=client.V1DeleteOptions(propagation_policy="Background"))
    assert gone["status"] == "Success", gone
    follower.join(30)
    assert not follower.is_alive(), seen
    # From the list on: two changes, the status, the end.
    assert seen == [("MODIFIED", "py-a")] * 3 + [("DELETED", "py-a")], seen

    dynamic()
    print("ok")


def dynamic():
    """The dynamic client, which goes by discovery, and server-side apply."""
    from kubernetes import dynamic as dynamics

    resources = dynamics.DynamicClient(client.ApiClient()).resources
    kind = resources.get(api_version=f"{WHERE['group']}/{WHERE['version']}", kind="Executable")
    assert not kind.namespaced
    made = kind.server_side_apply(body=executable("py-b"), name="py-b", field_manager="python", force_conflicts=True)
    assert made.metadata.name == "py-b"
    names = [item.metadata.name for item in kind.get(label_selector="client=python").items]
    assert names == ["py-b"], names
    kind.delete(name="py-b")


main()
