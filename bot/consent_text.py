"""What people agree to, in the words that they agree to. A changed text needs a new version."""

from bot.store.models import Consent

VERSION = 1

TEXTS = {
    Consent.TRAINING: (
        "**May your drawings teach the next Magic Pencil?**\n"
        "Your drawings, the photos found for them and the votes may be used to train a network "
        "that matches drawings with photos. Your name, this server and the time are not given "
        "along. You can take this back at any time; what is trained by then cannot be untrained, "
        "but no later training uses them."
    ),
    Consent.NAMING: (
        "**May your name stand beside your drawings?**\n"
        "In the halls of fame and on the leaderboards of the servers where you draw and vote. "
        "Without it you stand there as “somebody shy”. You can take this back at any time."
    ),
}
