"""Pools that scale themselves, over the protocol."""

import json
from datetime import timedelta

import pytest
from azure.batch.models import (
    BatchPoolCreateOptions,
    BatchPoolEnableAutoScaleOptions,
    BatchPoolEvaluateAutoScaleOptions,
    BatchPoolResizeOptions,
)

from tests.batch_emulator.conftest import new_id, until
from tests.batch_emulator.handlers.test_pool_changes import nodes_of, refusal, steady
from tests.batch_emulator.scheduling.test_node_failures import _emulator
from tests.batch_emulator.signed import send, values


def enabling(formula, minutes=None):
    interval = timedelta(minutes=minutes) if minutes else None
    return BatchPoolEnableAutoScaleOptions(auto_scale_formula=formula, auto_scale_evaluation_interval=interval)


def question(formula):
    return BatchPoolEvaluateAutoScaleOptions(auto_scale_formula=formula)


async def scaled_pool(batch, formula):
    options = BatchPoolCreateOptions(
        id=new_id("pool"), vm_size="small", enable_auto_scale=True, auto_scale_formula=formula
    )
    await batch.client.create_pool(options)
    return options.id


async def test_a_new_pool_takes_the_size_of_its_formula(batch):
    pool = await scaled_pool(batch, "$TargetDedicatedNodes = 1; $TargetLowPriorityNodes = 1;")
    await steady(batch, pool)
    seen = await batch.client.get_pool(pool)
    assert (seen.enable_auto_scale, seen.auto_scale_evaluation_interval) == (True, timedelta(minutes=15))
    assert (seen.current_dedicated_nodes, seen.current_low_priority_nodes) == (1, 1)
    assert seen.auto_scale_run.results == (
        "$TargetDedicatedNodes=1;$TargetLowPriorityNodes=1;$NodeDeallocationOption=requeue"
    )


async def test_enabling_evaluates_at_once_and_disabling_keeps_the_size(batch, held):
    pool = await batch.pool(0)
    let_pass = held("allocation._SEARCH")
    await batch.client.enable_pool_auto_scale(pool, enabling("$TargetDedicatedNodes = 2", 6))
    seen = await batch.client.get_pool(pool)
    assert (seen.allocation_state, seen.target_dedicated_nodes) == ("resizing", 2)
    assert seen.auto_scale_evaluation_interval == timedelta(minutes=6)
    let_pass()
    await steady(batch, pool)
    await batch.client.disable_pool_auto_scale(pool)
    seen = await batch.client.get_pool(pool)
    assert (seen.enable_auto_scale, seen.auto_scale_formula, seen.auto_scale_run) == (False, None, None)
    assert seen.current_dedicated_nodes == 2


async def test_an_evaluation_changes_nothing_and_reports_results_and_errors_as_recorded(batch):
    """`should_evaluate_pool_autoscale`, `should_fail_to_evaluate_invalid_autoscale_formula`."""
    pool = await scaled_pool(batch, "$TargetDedicatedNodes = 0")
    run = await batch.client.evaluate_pool_auto_scale(pool, question("$TargetDedicatedNodes = 3"))
    assert run.results == "$TargetDedicatedNodes=3;$TargetLowPriorityNodes=0;$NodeDeallocationOption=requeue"
    assert run.error is None
    run = await batch.client.evaluate_pool_auto_scale(pool, question("$something_useless"))
    assert run.results == "$TargetDedicatedNodes=0;$TargetLowPriorityNodes=0;$NodeDeallocationOption=requeue"
    assert run.error.code == "AutoScalingFormulaEvaluationError"
    assert run.error.message == "The specified auto-scaling formula has evaluation error"
    assert [(item.name, item.value) for item in run.error.error_values] == [
        ("Message", "Line 1, Col 1: Undefined symbol: $something_useless")
    ]
    assert (await batch.client.get_pool(pool)).target_dedicated_nodes == 0


async def test_formulas_see_the_pools_own_metrics(batch):
    pool = await batch.pool(1, target_low_priority_nodes=1)

    async def ready():
        return [node.state for node in await nodes_of(batch, pool)] == ["idle", "idle"]

    await until(ready)
    await batch.client.enable_pool_auto_scale(pool, enabling("x = 0"))
    job = await batch.job(pool)
    await batch.run(job, "/bin/true", "good")
    await batch.run(job, "/bin/false", "bad")
    for name in ("a", "b", "c"):
        await batch.task(job, "/bin/sleep 60", name)

    async def running():
        return (await batch.client.get_job_task_counts(job)).task_counts.running == 2

    await until(running)
    names = ["ActiveTasks", "RunningTasks", "PendingTasks", "SucceededTasks", "FailedTasks", "TaskSlotsPerNode"]
    names += ["CurrentDedicatedNodes", "CurrentLowPriorityNodes", "UsableNodeCount", "PreemptedNodeCount"]
    formula = f"seen = [{', '.join(f'val(${name}.GetSample(1), 0)' for name in names)}]"
    run = await batch.client.evaluate_pool_auto_scale(pool, question(formula))
    assert run.results.endswith(";seen=[1,2,3,1,1,1,1,1,2,0]")
    formula = "machine = $MemoryBytes > 0 && $CPUPercent >= 0 && $CPUPercent <= 1 && $DiskBytes > 0"
    run = await batch.client.evaluate_pool_auto_scale(pool, question(f"{formula} && $WallClockSeconds > 0"))
    assert run.results.endswith(";machine=1")


async def test_a_pool_grows_with_its_work_and_waits_for_it(monkeypatch, tmp_path):
    formula = "$TargetDedicatedNodes = min(2, max($PendingTasks.GetSample(1))); $NodeDeallocationOption=taskcompletion"
    async with _emulator(monkeypatch) as (batch, service):
        pool = await scaled_pool(batch, formula)
        assert await nodes_of(batch, pool) == []
        job = await batch.job(pool)
        command = f"/bin/sh -c 'while ! test -e {tmp_path}/go; do sleep 0.05; done'"
        for name in ("a", "b", "c"):
            await batch.task(job, command, name)
        number = service.store.pools.get(pool).no
        service.auto_scale.apply(number)
        await batch.state(job, "running", "b")
        assert len(await nodes_of(batch, pool)) == 2
        await batch.client.terminate_task(job, "c")
        await batch.client.terminate_task(job, "b")
        service.auto_scale.apply(number)
        await steady(batch, pool)
        assert [node.state for node in await nodes_of(batch, pool)] == ["running"]
        (tmp_path / "go").touch()
        assert (await batch.state(job, "completed", "a")).execution_info.result == "success"


async def test_an_error_at_the_interval_leaves_the_size(monkeypatch):
    async with _emulator(monkeypatch) as (batch, service):
        formula = "$TargetDedicatedNodes = $ActiveTasks.GetSamplePercent(TimeInterval_Hour) > 50 ? 0 : val([1, 1], 1)"
        pool = await scaled_pool(batch, formula)
        await steady(batch, pool)
        row = service.store.pools.get(pool)
        document = {**json.loads(row.document), "autoScaleFormula": "$TargetDedicatedNodes = val([1], 2)"}
        service.pools.change(row, document)
        service.auto_scale.apply(row.no)
        seen = await batch.client.get_pool(pool)
        assert seen.auto_scale_run.error.code == "AutoScalingFormulaEvaluationError"
        assert (seen.allocation_state, seen.target_dedicated_nodes) == ("steady", 1)


async def test_autoscale_cannot_be_enabled_twice_within_30_seconds(url, batch):
    pool = await batch.pool(0)
    body = {"autoScaleFormula": "$TargetDedicatedNodes = 0"}
    assert (await send(url, "POST", f"/pools/{pool}/enableautoscale", body=body)).status == 200
    again = await send(url, "POST", f"/pools/{pool}/enableautoscale", body=body)
    assert (again.status, again.body["code"]) == (503, "TooManyEnableAutoScaleRequests")
    poller = await batch.client.begin_delete_pool(pool, polling_interval=0.05)
    await poller.result()
    another = await batch.pool(0)
    assert (await send(url, "POST", f"/pools/{another}/enableautoscale", body=body)).status == 200


async def test_enabling_changes_nothing_else_whatever_the_request_says(url, batch):
    pool = await batch.pool(0)
    body = {"autoScaleFormula": "x = 1", "taskSlotsPerNode": {}, "networkConfiguration": False, "vmSize": []}
    assert (await send(url, "POST", f"/pools/{pool}/enableautoscale", body=body)).status == 200
    seen = await batch.client.get_pool(pool)
    assert (seen.task_slots_per_node, seen.network_configuration, seen.vm_size) == (1, None, "standard_d2s_v3")


async def test_autoscale_cannot_be_enabled_during_a_resize(url, batch):
    pool = await batch.pool(1)
    body = {"autoScaleFormula": "$TargetDedicatedNodes = 0"}
    answer = await send(url, "POST", f"/pools/{pool}/enableautoscale", body=body)
    assert (answer.status, answer.body["code"]) == (409, "PoolBeingResized")


async def test_a_pool_that_scales_itself_is_not_resized_and_others_are_not_evaluated(batch):
    pool = await scaled_pool(batch, "$TargetDedicatedNodes = 0")
    resize = batch.client.begin_resize_pool(pool, BatchPoolResizeOptions(target_dedicated_nodes=1))
    assert await refusal(resize) == (409, "OperationNotValidOnPool")
    other = await batch.pool(0)
    evaluation = batch.client.evaluate_pool_auto_scale(other, question("x = 1"))
    assert await refusal(evaluation) == (409, "OperationNotValidOnPool")


@pytest.mark.parametrize(
    ("body", "code", "name"),
    [
        ({}, "MissingRequiredProperty", "autoScaleFormula"),
        ({"autoScaleFormula": "1 +"}, "AutoScalingFormulaSyntaxError", "autoScaleFormula"),
        ({"autoScaleFormula": "$x"}, "AutoScalingFormulaSyntaxError", "autoScaleFormula"),
        ({"autoScaleFormula": "1;" * 4097}, "AutoScalingFormulaTooLong", "autoScaleFormula"),
        (
            {"autoScaleFormula": "1", "autoScaleEvaluationInterval": "PT4M"},
            "InvalidPropertyValue",
            "autoScaleEvaluationInterval",
        ),
        (
            {"autoScaleFormula": "1", "autoScaleEvaluationInterval": "PT169H"},
            "InvalidPropertyValue",
            "autoScaleEvaluationInterval",
        ),
    ],
)
async def test_impossible_settings_are_refused(url, batch, body, code, name):
    pool = await batch.pool(0)
    answer = await send(url, "POST", f"/pools/{pool}/enableautoscale", body=body)
    assert (answer.status, answer.body["code"], values(answer)["PropertyName"]) == (400, code, name)
    new = {"id": new_id("pool"), "vmSize": "small", "enableAutoScale": True, **body}
    answer = await send(url, "POST", "/pools", body=new)
    assert (answer.status, answer.body["code"]) == (400, code)


@pytest.mark.parametrize(
    "body",
    [
        {"enableAutoScale": True, "autoScaleFormula": "1", "targetDedicatedNodes": 1},
        {"autoScaleFormula": "1"},
        {"enableAutoScale": False, "autoScaleEvaluationInterval": "PT15M"},
    ],
)
async def test_a_new_pool_has_a_size_or_a_formula(url, body):
    answer = await send(url, "POST", "/pools", body={"id": new_id("pool"), "vmSize": "small", **body})
    assert (answer.status, answer.body["code"]) == (400, "InvalidPropertyValue")
