"""The certificate that is made for this machine, against a real TLS handshake."""

import asyncio
import ssl

import pytest

from batch_emulator.certificate import main, make_certificate

STORAGE = "devstoreaccount1.blob.core.localhost"


async def shake_hands(files, name):
    """Serve with a certificate and connect by a name, as a client that trusts the certificate and nothing else.

    Return the names for which the certificate that the client accepted holds.
    """
    served = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    served.load_cert_chain(*files)
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=served)
    trusting = ssl.create_default_context(cafile=str(files[0]))
    async with server:
        port = server.sockets[0].getsockname()[1]
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting, server_hostname=name)
        certificate = writer.get_extra_info("peercert")
        writer.close()
    return {value for _, value in certificate["subjectAltName"]}


async def test_it_holds_for_this_machine_and_for_the_names_given(tmp_path):
    files = make_certificate(tmp_path, [STORAGE, "devbatchaccount1.batch.localhost"])
    names = {"localhost", "127.0.0.1", STORAGE, "devbatchaccount1.batch.localhost"}
    accepted = [await shake_hands(files, name) for name in names]
    assert all(names <= one for one in accepted)


async def test_it_holds_for_no_other_name(tmp_path):
    with pytest.raises(ssl.SSLCertVerificationError):
        await shake_hands(make_certificate(tmp_path), STORAGE)


def test_the_command_prints_the_options_that_use_it(tmp_path, capsys):
    assert main([str(tmp_path / "new"), STORAGE]) == 0
    folder = tmp_path / "new"
    assert capsys.readouterr().out == f"--cert {folder / 'cert.pem'} --key-file {folder / 'key.pem'}\n"


def test_a_name_that_no_certificate_can_hold_is_said_in_one_line(tmp_path, capsys):
    assert main([str(tmp_path), "straße"]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize("link", ["symlink_to", "hardlink_to"])
def test_files_are_written_again_and_links_are_not_written_through(tmp_path, link):
    victim = tmp_path / "victim"
    victim.write_text("mine")
    for name in ("cert.pem", "key.pem"):
        getattr(tmp_path / name, link)(victim)
    make_certificate(tmp_path)
    assert victim.read_text() == "mine"


def test_a_private_key_is_its_users_alone_also_where_the_former_one_was_not(tmp_path):
    (tmp_path / "key.pem").touch(mode=0o644)
    _, key = make_certificate(tmp_path)
    assert key.stat().st_mode & 0o777 == 0o600
