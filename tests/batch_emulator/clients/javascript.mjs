// @azure/batch 8.0.0 or 10.2.0 against an emulator: URL, account and key are the arguments.
//
// Runs where the package is installed (see __main__.py), so it imports nothing of this project.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import batch from "@azure/batch";

const [url, account, key] = process.argv.slice(2);
const client = new batch.BatchServiceClient(new batch.BatchSharedKeyCredentials(account, key), url);
const packageFile = new URL("node_modules/@azure/batch/package.json", import.meta.url);
const { version } = JSON.parse(await readFile(packageFile, "utf8"));
const ID = `javascript-${version}`.replaceAll(".", "-");

/** Wait for a value; fail with what was seen last. */
async function until(look, expected, seconds = 20) {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const seen = await look();
    if (JSON.stringify(seen) === JSON.stringify(expected)) return;
    assert.ok(Date.now() < deadline, `expected ${JSON.stringify(expected)}, last seen: ${JSON.stringify(seen)}`);
    await sleep(50);
  }
}

/** Return the error code that a call is refused with. */
async function codeOf(call) {
  try {
    await call();
  } catch (error) {
    return error.code ?? error.body?.code;
  }
  return assert.fail("it was not refused");
}

async function text(response) {
  const chunks = [];
  for await (const chunk of response.readableStreamBody) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

const machine = {
  imageReference: { publisher: "canonical", offer: "ubuntu-24_04-lts", sku: "server", version: "latest" },
  nodeAgentSKUId: "batch.node.ubuntu 24.04",
};
const pool = { id: ID, vmSize: "standard_d2s_v3", virtualMachineConfiguration: machine, targetDedicatedNodes: 1 };

const steps = {
  async pools() {
    await client.pool.add(pool);
    assert.equal(await codeOf(() => client.pool.add(pool)), "PoolExists");
    assert.equal((await client.pool.exists(ID)).body, true);
    assert.equal((await client.pool.exists("none")).body, false);
    await until(async () => (await client.computeNode.list(ID)).map((node) => node.state), ["idle"]);
    const found = await client.pool.list({ poolListOptions: { filter: `id eq '${ID}'`, select: "id,state" } });
    assert.deepEqual(found.map(({ id, state }) => [id, state]), [[ID, "active"]]);
    await client.pool.resize(ID, { targetDedicatedNodes: 2 });
    await until(async () => (await client.pool.get(ID)).currentDedicatedNodes, 2);
  },

  async jobs() {
    await client.job.add({ id: ID, poolInfo: { poolId: ID }, priority: 5 });
    const job = await client.job.get(ID);
    assert.deepEqual([job.state, job.priority, job.executionInfo.poolId], ["active", 5, ID]);
    await client.job.patch(ID, { priority: 7 });
    assert.equal((await client.job.get(ID)).priority, 7);
    assert.equal(await codeOf(() => client.job.get("none")), "JobNotFound");
  },

  async tasks() {
    const outcome = await client.task.addCollection(ID, [
      { id: "good", commandLine: "/bin/sh -c 'echo hello; echo oh >&2'" },
      { id: "bad", commandLine: "/bin/sh -c 'exit 3'" },
    ]);
    const statuses = outcome.value.map(({ taskId, status }) => [taskId, status]);
    assert.deepEqual(statuses, [["good", "Success"], ["bad", "Success"]]);
    assert.equal(await codeOf(() => client.task.add(ID, { id: "good", commandLine: "/bin/true" })), "TaskExists");
    await until(async () => (await client.task.list(ID)).map((task) => task.state), ["completed", "completed"]);
    const filter = "executionInfo/result eq 'failure'";
    const [bad] = await client.task.list(ID, { taskListOptions: { filter, maxResults: 1 } });
    assert.deepEqual([bad.id, bad.executionInfo.exitCode], ["bad", 3]);
    assert.equal(bad.executionInfo.failureInfo.code, "FailureExitCode");
    const { taskCounts } = await client.job.getTaskCounts(ID);
    assert.deepEqual([taskCounts.completed, taskCounts.succeeded, taskCounts.failed], [2, 1, 1]);
    await client.task.reactivate(ID, "bad");
    await until(async () => (await client.task.get(ID, "bad")).state, "completed");
  },

  async files() {
    assert.equal(await text(await client.file.getFromTask(ID, "good", "stdout.txt")), "hello\n");
    const part = { fileGetFromTaskOptions: { ocpRange: "bytes=1-3" } };
    assert.equal(await text(await client.file.getFromTask(ID, "good", "stdout.txt", part)), "ell");
    const names = (await client.file.listFromTask(ID, "good")).map((file) => file.name);
    assert.deepEqual(names.sort(), ["stderr.txt", "stdout.txt", "wd"]);
    assert.equal((await client.file.getPropertiesFromTask(ID, "good", "stdout.txt")).contentLength, 6);
    await assert.rejects(client.file.getPropertiesFromTask(ID, "good", "none.txt"), { statusCode: 404 });
  },

  async schedules() {
    const schedule = { recurrenceInterval: "P1D" };
    const id = `${ID}-schedule`;
    await client.jobSchedule.add({ id, schedule, jobSpecification: { poolInfo: { poolId: ID } } });
    const jobId = (await client.jobSchedule.get(id)).executionInfo.recentJob.id;
    assert.equal(jobId, `${id}:job-1`);
    await client.task.add(jobId, { id: "task", commandLine: "/bin/echo scheduled" });
    await until(async () => (await client.task.get(jobId, "task")).state, "completed");
    assert.equal(await text(await client.file.getFromTask(jobId, "task", "stdout.txt")), "scheduled\n");
    await client.jobSchedule.deleteMethod(id);
    await until(async () => (await client.jobSchedule.exists(id)).body, false);
  },

  // Certificates are no longer part of the service: a proper refusal, not an accident.
  async certificates() {
    assert.equal(await codeOf(() => client.certificate.list()), "ResourceNotFound");
  },

  async removal() {
    await client.job.terminate(ID, { jobTerminateOptions: {}, terminateReason: "enough" });
    await until(async () => (await client.job.get(ID)).state, "completed");
    assert.equal((await client.job.get(ID)).executionInfo.terminateReason, "enough");
    await client.job.deleteMethod(ID);
    await client.pool.deleteMethod(ID);
    await until(async () => (await client.pool.exists(ID)).body, false);
  },
};

for (const [name, step] of Object.entries(steps)) {
  await step();
  console.log(`@azure/batch ${version}: ${name}: as expected`);
}
