"""Are the libraries for s3:// those of the Hadoop that pyspark contains, and are others refused?"""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path

import pyspark
import pytest

from infra.local.environment import ROOT
from infra.local.object_store_jars import SOURCE, check, read_checksums
from spark_jobs.contract.errors import ChurnError


def test_the_pinned_version_is_that_of_pysparks_own_hadoop():
    (jar,) = Path(pyspark.__file__).parent.glob("jars/hadoop-client-api-*.jar")
    version = jar.stem.removeprefix("hadoop-client-api-")
    pinned = re.search(
        r"<artifactId>hadoop-aws</artifactId>\s*<version>(.*)</version>", (SOURCE / "pom.xml").read_text()
    )
    assert pinned[1] == version
    assert f"hadoop-aws-{version}.jar" in read_checksums()
    pages = [*ROOT.glob("infra/spark/*/spark-defaults.conf"), ROOT / "infra" / "docs" / "howto" / "object_store.md"]
    named = [name for page in pages for name in re.findall(r"hadoop-aws:([\d.]+)", page.read_text())]
    assert named == [version] * 4  # three profiles and the manual


def test_files_with_another_content_or_beside_the_pinned_ones_are_refused(tmp_path):
    (tmp_path / "a.jar").write_bytes(b"a")
    expected = {"a.jar": sha256(b"a").hexdigest()}
    check(tmp_path, expected)
    (tmp_path / "b.jar").write_bytes(b"b")
    with pytest.raises(ChurnError, match=r"b\.jar: not the files"):
        check(tmp_path, expected)
    (tmp_path / "b.jar").unlink()
    (tmp_path / "a.jar").write_bytes(b"changed")
    with pytest.raises(ChurnError, match=r"a\.jar: not the files"):
        check(tmp_path, expected)
