"""Screens of mails as a phone shows them, for docs/mails.md. Needs Debian's chromium and fonts-noto-cjk.

    python -m tests.alerts.screens docs/pictures

Each mail goes the whole way: event, message, picture, MIME, and is then taken apart as a reader does.
"""

from __future__ import annotations

import asyncio
import base64
import math
import subprocess
import sys
import tempfile
from email import message_from_bytes, policy
from email.message import EmailMessage
from functools import partial
from pathlib import Path

from PIL import Image, ImageChops

from monitor.alerts.mail_settings import Language, MailSettings
from monitor.alerts.mime import render
from monitor.alerts.notices import Notices
from monitor.alerts.picture import Painter, Read
from monitor.messages.message import Message
from tests.alerts import samples

SHOWN = ("outage", "degradation", "escalation", "recovery")
LANGUAGES: tuple[Language, ...] = ("en", "zh")
WIDTH, TALL, SCALE = 420, 2400, 1.5
CHROMIUM = (
    "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
    f"--window-size={WIDTH},{TALL}", f"--force-device-scale-factor={SCALE}",
)  # fmt: skip


def written(name: str, language: Language) -> Message:
    event, context = samples.EVENTS[name]
    settings = MailSettings(host="mail.example", sender="muster@gd.example", language=language)
    notices = Notices(
        settings.model_copy(update={"to": ("ops@gd.example",)}), samples.CARDS.get, lambda root: "",
        context=lambda event: context,
    )  # fmt: skip
    return notices(event)[0]


def readings(name: str) -> Read:
    if name == "degradation":
        return partial(samples.window, slow=samples.SLOW.began_at)
    return samples.window if name == "recovery" else partial(samples.window, back=math.inf)


def opened(mail: bytes) -> str:
    """Return the page of a mail with its picture in place."""
    parsed = message_from_bytes(mail, policy=policy.default)
    assert isinstance(parsed, EmailMessage)
    page = parsed.get_body(("html",))
    assert page is not None
    html = str(page.get_content())
    for part in parsed.walk():
        if part.get_content_type() == "image/png":
            cid = str(part["Content-ID"]).strip("<>")
            data = base64.b64encode(part.get_payload(decode=True)).decode()  # type: ignore[arg-type]
            html = html.replace(f"cid:{cid}", f"data:image/png;base64,{data}")
    return html


def photographed(html: str, target: Path) -> None:
    """Write what a phone shows of a page, without the empty rest below it."""
    with tempfile.TemporaryDirectory() as folder:
        page, shot = Path(folder) / "mail.html", Path(folder) / "shot.png"
        page.write_text(html, encoding="utf-8")
        run = [*CHROMIUM, f"--user-data-dir={folder}/profile", f"--screenshot={shot}", page.as_uri()]
        subprocess.run(run, check=True, timeout=60, capture_output=True)
        image = Image.open(shot).convert("RGB")
    ground = Image.new("RGB", image.size, image.getpixel((0, image.height - 1)))
    box = ImageChops.difference(image, ground).getbbox()
    assert box is not None
    cropped = image.crop((0, 0, image.width, min(image.height, box[3] + 18)))
    cropped.quantize(128, dither=Image.Dither.NONE).save(target, optimize=True)


async def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as fonts:
        for name in SHOWN:
            for language in LANGUAGES:
                message = written(name, language)
                picture = await Painter(readings(name), Path(fonts)).paint(message.picture, language)
                mail = render(message, "muster@gd.example", picture)
                target = folder / f"mail-{name}-{language}.png"
                await asyncio.to_thread(photographed, opened(mail), target)
                print(f"{target}: {target.stat().st_size} bytes; {message.subject}")


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
