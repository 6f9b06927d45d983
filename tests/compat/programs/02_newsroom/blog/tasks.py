"""Its tasks, for whichever QueueTasks finds them."""

from qtasks.utils import shared_task


@shared_task
def publish(slug: str):
    return f"/blog/{slug}/"
