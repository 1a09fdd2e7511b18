"""From a submission to a message for the workers. The only package of the api that knows Celery."""
