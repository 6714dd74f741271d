from pathlib import Path

from local.host import identity
from local.host.identity import host_id


def test_the_host_id_is_made_of_machine_and_folder_as_the_real_host_makes_it(monkeypatch):
    monkeypatch.setattr(identity.platform, "node", lambda: "Build-Machine.2")
    # 23 * 31 + ord("/"), * 31 + ord("a"), the sum wrapping around at 32 bits.
    assert host_id(Path("/a"), {}) == "buildmachine2-23657"
    assert host_id(Path("/home/someone/app"), {}) == "buildmachine2-1563115852"


def test_a_long_machine_name_is_cut_at_32_characters(monkeypatch):
    monkeypatch.setattr(identity.platform, "node", lambda: "m" * 40)
    assert host_id(Path("/a"), {}) == "m" * 32


def test_a_setting_overrides_the_host_id():
    assert host_id(Path("/a"), {"AzureFunctionsWebHost__hostid": "mine"}) == "mine"
