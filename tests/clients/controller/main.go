// A foreign controller: it makes Executables out of ExecutableReplicaSets, with nothing but
// controller-runtime and the API server that a kubeconfig names. A toy: it starts no process.
//
// What it uses of the library is what controllers use: a cached client, an index over a field,
// watches of owner and owned, a finalizer, owner references, the status subresource, and a merge
// patch with an optimistic lock.
//
// It ends at SIGTERM, and says "ready" on standard output once its caches have synced.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/clientcmd"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

const (
	finalizer = "example.com/toy"
	ownerKey  = "owner"
	setLabel  = "example.com/set"
	scaledBy  = "example.com/scaled"
)

var (
	version  = schema.GroupVersion{Group: "usvc-dev.developer.microsoft.com", Version: "v1"}
	setKind  = version.WithKind("ExecutableReplicaSet")
	itemKind = version.WithKind("Executable")
)

func object(kind schema.GroupVersionKind) *unstructured.Unstructured {
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(kind)
	return object
}

func list(kind schema.GroupVersionKind) *unstructured.UnstructuredList {
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
	return list
}

type toy struct{ client.Client }

func (t *toy) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	set := object(setKind)
	if err := t.Get(ctx, request.NamespacedName, set); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	children := list(itemKind)
	if err := t.List(ctx, children, client.MatchingFields{ownerKey: set.GetName()}); err != nil {
		return ctrl.Result{}, err
	}

	if !set.GetDeletionTimestamp().IsZero() {
		return t.finish(ctx, set, children)
	}
	if controllerutil.AddFinalizer(set, finalizer) {
		return ctrl.Result{}, t.Update(ctx, set)
	}

	wanted, _, _ := unstructured.NestedInt64(set.Object, "spec", "replicas")
	if changed, err := t.scale(ctx, set, children, wanted); err != nil || changed {
		// A conflict or a stale cache: the watch of the children comes back here.
		return ctrl.Result{RequeueAfter: 100 * time.Millisecond}, ignoreRaces(err)
	}
	return ctrl.Result{}, t.report(ctx, set, children)
}

func ignoreRaces(err error) error {
	if errors.IsConflict(err) || errors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

// finish deletes the children, and lets go of the set when none is left.
func (t *toy) finish(ctx context.Context, set *unstructured.Unstructured, children *unstructured.UnstructuredList) (ctrl.Result, error) {
	for i := range children.Items {
		child := &children.Items[i]
		uid := child.GetUID()
		// The cache may be behind: the precondition keeps a namesake alive.
		err := t.Delete(ctx, child, client.Preconditions{UID: &uid})
		if err != nil && !errors.IsNotFound(err) && !errors.IsConflict(err) {
			return ctrl.Result{}, err
		}
	}
	if len(children.Items) > 0 {
		return ctrl.Result{}, nil
	}
	before := set.DeepCopy()
	if !controllerutil.RemoveFinalizer(set, finalizer) {
		return ctrl.Result{}, nil
	}
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	return ctrl.Result{}, client.IgnoreNotFound(ignoreRaces(t.Patch(ctx, set, patch)))
}

// scale creates or deletes one child; whether there was something to do.
func (t *toy) scale(ctx context.Context, set *unstructured.Unstructured, children *unstructured.UnstructuredList, wanted int64) (bool, error) {
	names := map[string]*unstructured.Unstructured{}
	for i := range children.Items {
		names[children.Items[i].GetName()] = &children.Items[i]
	}
	for ordinal := int64(0); ordinal < wanted; ordinal++ {
		name := fmt.Sprintf("%s-%d", set.GetName(), ordinal)
		if _, there := names[name]; there {
			delete(names, name)
			continue
		}
		child := object(itemKind)
		child.SetName(name)
		child.SetLabels(map[string]string{setLabel: set.GetName()})
		spec, _, _ := unstructured.NestedMap(set.Object, "spec", "template", "spec")
		child.Object["spec"] = spec
		if err := controllerutil.SetControllerReference(set, child, t.Scheme()); err != nil {
			return false, err
		}
		if err := t.Create(ctx, child); err != nil {
			return true, err
		}
		// The set says who was made last: a patch that a concurrent change makes fail.
		before := set.DeepCopy()
		annotations := set.GetAnnotations()
		if annotations == nil {
			annotations = map[string]string{}
		}
		annotations[scaledBy] = name
		set.SetAnnotations(annotations)
		return true, t.Patch(ctx, set, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	}
	for _, child := range names {
		if err := t.Delete(ctx, child); err != nil && !errors.IsNotFound(err) {
			return true, err
		}
	}
	return len(names) > 0, nil
}

// report writes the status where it is not what it should be.
func (t *toy) report(ctx context.Context, set *unstructured.Unstructured, children *unstructured.UnstructuredList) error {
	status := map[string]any{
		"observedReplicas": int64(len(children.Items)),
		"runningReplicas":  int64(0),
		"failedReplicas":   int64(0),
		"finishedReplicas": int64(0),
	}
	for _, child := range children.Items {
		state, _, _ := unstructured.NestedString(child.Object, "status", "state")
		switch state {
		case "Running":
			status["runningReplicas"] = status["runningReplicas"].(int64) + 1
		case "FailedToStart":
			status["failedReplicas"] = status["failedReplicas"].(int64) + 1
		case "Finished", "Terminated":
			status["finishedReplicas"] = status["finishedReplicas"].(int64) + 1
		}
	}
	known, _, _ := unstructured.NestedMap(set.Object, "status")
	same := known != nil
	for key, value := range status {
		same = same && known[key] == value
	}
	if same {
		return nil
	}
	set.Object["status"] = status
	return ignoreRaces(t.Status().Update(ctx, set))
}

func run() error {
	log.SetLogger(zap.New(zap.UseDevMode(true)))
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		return err
	}
	manager, err := ctrl.NewManager(config, ctrl.Options{
		Metrics: metricsserver.Options{BindAddress: "0"},
		Client:  client.Options{Cache: &client.CacheOptions{Unstructured: true}},
	})
	if err != nil {
		return err
	}
	ctx := ctrl.SetupSignalHandler()
	index := func(child client.Object) []string {
		if owner := metav1.GetControllerOf(child); owner != nil && owner.Kind == setKind.Kind {
			return []string{owner.Name}
		}
		return nil
	}
	if err := manager.GetFieldIndexer().IndexField(ctx, object(itemKind), ownerKey, index); err != nil {
		return err
	}
	err = ctrl.NewControllerManagedBy(manager).
		Named("toy").
		For(object(setKind)).
		Owns(object(itemKind)).
		Complete(&toy{manager.GetClient()})
	if err != nil {
		return err
	}
	go func() {
		if manager.GetCache().WaitForCacheSync(ctx) {
			fmt.Println("ready")
		}
	}()
	return manager.Start(ctx)
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
