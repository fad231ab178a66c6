"""The file of --users: what it may hold, and that no fault tells a secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from picosip_server.sip.auth.users import User
from picosip_server.users import UsersError, read_users, readable_by_others

MD5 = "12af60467a33e8518da5c68bbff12b11"
SHA256 = "7ba2cd4d5a2ca9f1d17d7ce2e1ab1a5a1dcb2d9f3e3ae9ad2a3d5a7d2e7a1f00"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "users.toml"


def faults(file: Path, text: str) -> list[str]:
    """The lines with which this content is refused."""
    file.write_text(text)
    with pytest.raises(UsersError) as caught:
        read_users(file)
    return str(caught.value).splitlines()


def test_users_of_one_realm_and_of_another(file: Path) -> None:
    file.write_text(
        f"""
        realm = "example.com"
        [[users]]
        user = "alice"
        password = "wonderland"
        [[users]]
        user = "bob"
        realm = "example.org"
        ha1 = "{MD5}"
        [[users]]
        user = "bob"
        realm = "example.org"
        ha1 = "{SHA256}"
        """
    )
    assert read_users(file) == (
        User(realm="example.com", username="alice", password="wonderland"),
        User(realm="example.org", username="bob", ha1=MD5),
        User(realm="example.org", username="bob", ha1=SHA256),
    )


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "has no [[users]] table: nobody could authenticate"),
        ("users = 3", "users must be a list of tables, each headed [[users]]"),
        ("users = [3]", "users must be a list of tables, each headed [[users]]"),
        (
            '[[users]]\nuser="a"\nrealm="r"\npassword="secret"\nname="secret"',
            "[[users]] number 1: unknown key 'name'; it may hold ha1, password, realm, user",
        ),
        (
            'domain="x"\n[[users]]\nuser="a"\nrealm="r"\npassword="secret"',
            "has an unknown key 'domain'; it may hold realm and [[users]]",
        ),
        ('[[users]]\nrealm="r"\npassword="secret"', "[[users]] number 1: user is missing"),
        (
            '[[users]]\nuser=1\nrealm="r"\npassword="secret"',
            "[[users]] number 1: user must be a text that is not empty",
        ),
        (
            '[[users]]\nuser="a:b"\nrealm="r"\npassword="secret"',
            "[[users]] number 1: user must not hold a colon",
        ),
        (
            '[[users]]\nuser="a"\nrealm="r\\n"\npassword="secret"',
            "[[users]] number 1: realm must not hold control characters",
        ),
        (
            '[[users]]\nuser="a"\nrealm="r"',
            "[[users]] number 1: exactly one of password and ha1 is needed",
        ),
        (
            f'[[users]]\nuser="a"\nrealm="r"\npassword="secret"\nha1="{MD5}"',
            "[[users]] number 1: exactly one of password and ha1 is needed",
        ),
        (
            '[[users]]\nuser="a"\nrealm="r"\npassword=""',
            "[[users]] number 1: password must be a text that is not empty",
        ),
        (
            '[[users]]\nuser="a"\nrealm="r"\nha1="secret"',
            "[[users]] number 1: ha1 must be 32 (MD5) or 64 (SHA-256) hexadecimal digits",
        ),
        (
            'realm="r"\n[[users]]\nuser="a"\npassword="secret"\n'
            f'[[users]]\nuser="a"\nha1="{MD5}"\n',
            "user 'a' of realm 'r' is there twice",
        ),
        (
            f'realm="r"\n[[users]]\nuser="a"\nha1="{MD5}"\n[[users]]\nuser="a"\nha1="{MD5}"\n',
            "user 'a' of realm 'r' is there twice",
        ),
        (
            '[[users]]\nuser="a"\nrealm="r"\npassword="secret\n',
            "is not TOML (at line 4, column 17)",
        ),
    ],
)
def test_faults_are_told_without_the_secret(file: Path, text: str, line: str) -> None:
    assert faults(file, text) == [line]


def test_all_faults_at_once(file: Path) -> None:
    assert faults(file, '[[users]]\n[[users]]\nuser="a"\nrealm="r"\n') == [
        "[[users]] number 1: user is missing",
        "[[users]] number 1: realm is missing",
        "[[users]] number 1: exactly one of password and ha1 is needed",
        "[[users]] number 2: exactly one of password and ha1 is needed",
    ]


def test_a_file_that_cannot_be_read(file: Path) -> None:
    with pytest.raises(UsersError, match=r"^cannot be read: No such file or directory$"):
        read_users(file)
    file.write_bytes(b"realm = '\xff'")
    with pytest.raises(UsersError, match=r"^is not UTF-8 text \(octet 9\)$"):
        read_users(file)


def test_who_can_read_it(file: Path) -> None:
    file.touch()
    file.chmod(0o640)
    assert not readable_by_others(file)
    file.chmod(0o644)
    assert readable_by_others(file)
