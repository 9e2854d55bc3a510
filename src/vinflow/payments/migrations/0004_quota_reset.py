"""When the quota day of a token begins is remembered once it is learnt."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("payments", "0003_reconciling")]

    operations = [
        migrations.AddField(
            model_name="tokenstate", name="quota_refused_at", field=models.DateTimeField(null=True)
        ),
        migrations.AddField(
            model_name="tokenstate",
            name="quota_reset",
            field=models.CharField(blank=True, default="", max_length=12),
        ),
    ]
