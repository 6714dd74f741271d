// The calls of Microsoft's sample for Node.js, with the package that it pins: @azure/batch 8.0.0.
//
// https://github.com/Azure-Samples/azure-batch-samples, JavaScript/Node.js: a pool, a job with preparation, a task for
// each container, all with callbacks; scripts come by URL. The sample leaves it there, this program looks what came of
// it. The arguments are URL, account and key. Runs where the package is installed (see __main__.py).

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { BatchServiceClient, BatchSharedKeyCredentials } from "@azure/batch";

const [url, account, key] = process.argv.slice(2);
const client = new BatchServiceClient(new BatchSharedKeyCredentials(account, key), url);
const ID = "javascript-sample";
const CONTAINERS = ["con1", "con2", "con3", "con4"];

const SCRIPTS = {
  "prepare.sh": "echo prepared > $AZ_BATCH_NODE_SHARED_DIR/note\n",
  "process.sh": "cat $AZ_BATCH_NODE_SHARED_DIR/note; echo $2\n",
};

/** Serve the scripts, as the sample's container of Storage does; return the server. */
async function serveScripts() {
  const server = createServer((request, response) => response.end(SCRIPTS[request.url.slice(1)]));
  await once(server.listen(0, "127.0.0.1"), "listening");
  return server;
}

/** Call a method with a callback, as the sample does; fail with the error that the callback gets. */
const called = (group, method, ...values) => promisify(client[group][method].bind(client[group]))(...values);

async function addPool() {
  await called("pool", "add", {
    id: ID,
    displayName: "Processing csv files",
    vmSize: "STANDARD_D1_V2",
    // An image that the service no longer supports.
    virtualMachineConfiguration: {
      imageReference: { publisher: "Canonical", offer: "UbuntuServer", sku: "18.04-LTS", version: "latest" },
      nodeAgentSKUId: "batch.node.ubuntu 18.04",
    },
    targetDedicatedNodes: 4,
    enableAutoScale: false,
  });
}

async function addJob(script) {
  await called("job", "add", {
    id: ID,
    displayName: "process csv files",
    poolInfo: { poolId: ID },
    jobPreparationTask: {
      id: "installprereq",
      // No shell: the redirection is two more arguments of the script.
      commandLine: "sh prepare.sh > startup.log",
      resourceFiles: [script("prepare.sh")],
      waitForSuccess: true,
      // Left from versions before userIdentity: the client does not send it.
      runElevated: true,
      userIdentity: { autoUser: { elevationLevel: "admin", scope: "pool" } },
    },
  });
}

async function addTask(container, script) {
  await called("task", "add", ID, {
    id: `${container}_process`,
    displayName: `process csv in ${container}`,
    commandLine: `sh process.sh --container ${container}`,
    resourceFiles: [script("process.sh")],
  });
}

/** Wait until the tasks are done, however many of the four nodes had to be prepared for them. */
async function tasksDone() {
  const deadline = Date.now() + 30_000;
  for (;;) {
    const tasks = await client.task.list(ID);
    if (tasks.every((task) => task.state === "completed")) return tasks;
    assert.ok(Date.now() < deadline, "the tasks do not complete");
    await sleep(50);
  }
}

async function output(taskId) {
  const { readableStreamBody } = await client.file.getFromTask(ID, taskId, "stdout.txt");
  return Buffer.concat(await readableStreamBody.toArray()).toString();
}

async function remove() {
  await client.job.deleteMethod(ID);
  await client.pool.deleteMethod(ID);
}

const server = await serveScripts();
const script = (name) => ({ httpUrl: `http://127.0.0.1:${server.address().port}/${name}`, filePath: name });
await addPool();
await addJob(script);
// All at once, without waiting for one another's answers.
await Promise.all(CONTAINERS.map((container) => addTask(container, script)));
const tasks = await tasksDone();
assert.deepEqual(
  tasks.map(({ id, executionInfo }) => [id, executionInfo.result]),
  CONTAINERS.map((container) => [`${container}_process`, "success"]),
);
for (const container of CONTAINERS) assert.equal(await output(`${container}_process`), `prepared\n${container}\n`);
const prepared = await client.job.listPreparationAndReleaseTaskStatus(ID);
assert.deepEqual(
  new Set(prepared.map((node) => node.jobPreparationTaskExecutionInfo.exitCode)),
  new Set([0]),
);
await remove();
server.close();
console.log("@azure/batch 8.0.0: the sample for Node.js: as expected");
