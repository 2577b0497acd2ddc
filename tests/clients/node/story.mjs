// What an ordinary program with npm's @kubernetes/client-node does: create, list, patch, watch,
// delete; and an informer. Finds the server through $KUBECONFIG; says "ok" at the end.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

// The packages lie in the folder that the first argument names.
const require = createRequire(process.argv[2] + '/');
const k8s = await import(pathToFileURL(require.resolve('@kubernetes/client-node')));

const group = 'usvc-dev.developer.microsoft.com';
const kind = { group, version: 'v1', plural: 'executables' };
const executable = (name) => ({
  apiVersion: `${group}/v1`,
  kind: 'Executable',
  metadata: { name, labels: { client: 'node' } },
  spec: { executablePath: '/bin/true', start: false },
});

const config = new k8s.KubeConfig();
config.loadFromDefault();
const api = config.makeApiClient(k8s.CustomObjectsApi);

const refused = async (code, promise) => {
  const error = await promise.then(() => assert.fail(`${code} was expected`), (error) => error);
  assert.equal(error.code, code, String(error));
};
// Until something is so, for half a minute.
const until = async (what, look) => {
  for (let tries = 0; tries < 1500; tries++) {
    if (look()) return;
    await new Promise((done) => setTimeout(done, 20));
  }
  assert.fail(`waited for this: ${what}`);
};

const made = await api.createClusterCustomObject({ ...kind, body: executable('node-a') });
assert.ok(made.metadata.uid);
await refused(409, api.createClusterCustomObject({ ...kind, body: executable('node-a') }));
await refused(404, api.getClusterCustomObject({ ...kind, name: 'node-none' }));

const list = () => api.listClusterCustomObject({ ...kind, labelSelector: 'client=node' });
assert.deepEqual((await list()).items.map((item) => item.metadata.name), ['node-a']);

const seen = [];
const informer = k8s.makeInformer(config, `/apis/${group}/v1/executables`, list, 'client=node');
for (const event of ['add', 'update', 'delete']) {
  informer.on(event, (object) => seen.push(`${event} ${object.metadata.name}`));
}
informer.on('error', (error) => seen.push(`error ${error}`));
await informer.start();
await until('the first object', () => seen.includes('add node-a'));

const patched = await api.patchClusterCustomObject(
  { ...kind, name: 'node-a', body: [{ op: 'add', path: '/spec/args', value: ['1'] }] },
  k8s.setHeaderOptions('Content-Type', k8s.PatchStrategy.JsonPatch),
);
assert.deepEqual(patched.spec.args, ['1']);
await until('the change', () => seen.includes('update node-a'));
await api.deleteClusterCustomObject({ ...kind, name: 'node-a' });
await until('the end', () => seen.includes('delete node-a'));
// Before the informer is stopped, which it reports as an error.
assert.deepEqual(seen.filter((event) => event.startsWith('error')), []);
await informer.stop();
console.log('ok');
process.exit(0);
